"""Durations and sizes as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


def parse_duration(text: str) -> timedelta:
    """Reads ``"20ms"``, ``"7d"`` or ``"1h 30m"``.

    Raises:
        ValueError: when the text is not a duration.

    >>> parse_duration("1h 30m")
    datetime.timedelta(seconds=5400)
    """
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise ValueError(f"'{text}' is not a duration; write it like 20ms, 6h or 7d")
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except KeyError as unit:
        raise ValueError(f"'{text}' has the unknown unit {unit}; use ms, s, m, h, d or w") from None


def format_duration(value: timedelta) -> str:
    """The shortest text that :func:`parse_duration` reads back.

    >>> format_duration(timedelta(seconds=5400)), format_duration(timedelta(days=7))
    ('1h 30m', '7d')
    """
    left = round(value.total_seconds() * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def parse_size(text: str) -> int:
    """Reads ``"200MiB"`` as bytes.

    Raises:
        ValueError: when the text is not a size.

    >>> parse_size("2KiB")
    2048
    """
    match = _PART.fullmatch(text.strip())
    if not match or match[2] not in _BYTES:
        raise ValueError(f"'{text}' is not a size; write it like 200MiB or 4GiB")
    return int(float(match[1]) * _BYTES[match[2]])
