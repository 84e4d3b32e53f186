"""Stage 2: runs the user's code in its own process; metrics.

Import each from its own file. :mod:`holdfast.training.child` runs in the user's process only.
"""
