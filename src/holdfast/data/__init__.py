"""Stage 1: sources, dataset versions, splits and the data contract."""
