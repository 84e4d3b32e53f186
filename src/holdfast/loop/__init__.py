"""The only wiring: container, reconciler, jobs, processes."""
