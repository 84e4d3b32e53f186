"""The whole operation on history: the loop's own code over time-ordered rows, on simulated time."""
