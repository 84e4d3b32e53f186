"""Stage 7: spool, prediction log, labels, and their join."""
