"""SQL and blob storage."""
