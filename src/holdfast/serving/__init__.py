"""Stage 6: the HTTP data plane."""
