"""Docker: an image of a version, and a compose file of a whole installation."""
