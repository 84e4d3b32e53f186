"""One folder a product, found by entry point, never imported by the core."""
