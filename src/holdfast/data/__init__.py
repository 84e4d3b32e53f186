"""Stage 1: sources, dataset versions, splits and the data contract.

Import each from its own file; all of them take and return Polars frames of the types that
:func:`holdfast.data.schema.normalise` leaves.
"""
