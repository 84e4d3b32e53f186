"""Fakes, factories and pytest helpers, shipped with the package."""
