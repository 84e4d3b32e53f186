"""What may be a label, by task: one rule, and the sentence for what breaks it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time

from holdfast.recording.values import text
from holdfast.spec.types import Task

_BOOLEANS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


class BadValueError(ValueError):
    """A value that cannot be taken; the message is the reason."""


def label_reader(task: Task | None, classes: Sequence[bool | int | str]) -> Callable[[object], str]:
    """Makes the function that turns one raw label into its text form.

    Without a task any number, boolean or text is taken. Boolean classes may be given as
    true, false, 0 or 1, whole numbers also as 1.0.

    The function raises :class:`BadValueError`.

    >>> label_reader("binary", (False, True))("1")
    'true'
    """
    if task == "regression":
        return _number
    if task is None or not classes:
        return _any
    known = {str(text(label)): str(text(label)) for label in classes}
    names = ", ".join(sorted(known))
    boolean = set(classes) == {False, True}
    for label in classes:
        if boolean:
            known |= {word: str(text(label)) for word, value in _BOOLEANS.items() if value == label}
        elif not isinstance(label, str):
            known[f"{label}.0"] = str(label)

    def read(value: object) -> str:
        given = _any(value)
        found = known.get(given.lower() if boolean else given)
        if found is None:
            raise BadValueError(f"label {given[:40]!r} is none of the classes {names}")
        return found

    return read


def read_id(value: object) -> str:
    """The text form of an id.

    Raises:
        BadValueError: when there is none.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    result = text(value) if isinstance(value, (str, int, float)) else None
    if not result or not result.strip():
        raise BadValueError("id is missing")
    return result


def read_time(value: object, now: datetime, latest: datetime) -> datetime:
    """A time as aware UTC: ISO 8601 (without an offset: UTC) or seconds since 1970.

    Args:
        value: the raw value; missing means ``now``.
        now: the time of arrival.
        latest: later times are refused: "the last label wins" would keep a typing error for ever.

    Raises:
        BadValueError: when it is no time, or later than ``latest``.
    """
    if value is None or value == "":
        return now
    try:
        found = _time(value)
    except BadValueError:
        raise
    except (ValueError, OverflowError, OSError) as error:
        raise BadValueError(f"time {str(value)[:40]!r} is not ISO 8601") from error
    if found > latest:
        raise BadValueError(f"time {found.isoformat()} is in the future")
    return found


def _time(value: object) -> datetime:
    if isinstance(value, str):
        value = _parsed(value.strip())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    raise BadValueError("time is neither text, number nor time")


def _parsed(value: str) -> datetime | float:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return float(value)


def _any(value: object) -> str:
    found = text(value) if isinstance(value, (str, int, float)) else None
    if value is None or found is None or not found.strip():
        raise BadValueError("label is missing" if value in (None, "") else "label has no value")
    return found.strip()


def _number(value: object) -> str:
    try:
        number = float(_any(value))
    except BadValueError:
        raise
    except ValueError as error:
        raise BadValueError(f"label {str(value)[:40]!r} is not a number") from error
    if isinstance(value, bool) or not math.isfinite(number):
        raise BadValueError(f"label {str(value)[:40]!r} is not a finite number")
    return repr(number)
