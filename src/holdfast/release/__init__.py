"""Stage 5, pure: ordered rules that take a version live."""
