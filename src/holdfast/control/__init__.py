"""Control API and dashboard."""
