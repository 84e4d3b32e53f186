"""Stage 2: runs the user's code in its own process; metrics."""
