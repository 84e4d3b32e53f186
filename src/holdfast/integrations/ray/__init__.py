"""Ray: work on a cluster."""
