"""Stage 4, pure: evidence and policy in, verdict out."""
