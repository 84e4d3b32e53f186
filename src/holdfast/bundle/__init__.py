"""What a server loads: read, verify and run a bundle."""
