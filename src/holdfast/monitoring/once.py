"""What follows from a frozen record alone is worked out once, and kept as long as the record."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

Of = TypeVar("Of")
More = ParamSpec("More")
Result = TypeVar("Result")


def once(
    function: Callable[Concatenate[Of, More], Result],
) -> Callable[Concatenate[Of, More], Result]:
    """Calls a pure function once for each record and further arguments.

    Records are told apart by identity: to compare a reference takes as long as to use it. The first
    argument must bear weak references, the others must be hashable. Two threads that ask at the
    same moment may both work it out.
    """
    known: dict[int, dict[Hashable, Any]] = {}

    @wraps(function)
    def found(record: Of, /, *args: More.args, **kwargs: More.kwargs) -> Result:
        results = known.get(id(record))
        if results is None:
            results = known.setdefault(id(record), {})
            weakref.finalize(record, known.pop, id(record), None).atexit = False
        key = (args, tuple(kwargs.items()))
        if key not in results:
            results[key] = function(record, *args, **kwargs)
        answer: Result = results[key]
        return answer

    return found
