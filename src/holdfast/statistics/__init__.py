"""Pure statistics shared by the stages: losses, metrics, intervals, e-processes."""
