"""Stage 8: summaries, drift, estimated and realised quality; findings."""
