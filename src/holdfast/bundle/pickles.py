"""What loading a pickle would import, found without loading it."""

from __future__ import annotations

import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import Any

from holdfast.errors import BundleError

UNKNOWN = "?"
"""Stands for a name that the pickle puts together in a way that cannot be followed."""

_TEXT = frozenset(
    {
        "STRING", "BINSTRING", "SHORT_BINSTRING",
        "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    }
)  # fmt: skip
_STORE = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_FETCH = frozenset({"GET", "BINGET", "LONG_BINGET"})


def imports_of(data: bytes) -> frozenset[str]:
    """Every ``module.name`` that the pickle would import.

    Pickles inside of the pickle (bytes that start like one) are looked into as well. A name that is
    not written down plainly counts as :data:`UNKNOWN`, never as nothing.

    Args:
        data: one pickle, or several after one another.

    Raises:
        BundleError: when it is no pickle.

    >>> import pickle, os
    >>> sorted(imports_of(pickle.dumps([os.getcwd, len])))
    ['builtins.len', 'posix.getcwd']
    """
    found: set[str] = set()
    rest = data
    try:
        while rest:
            end = _scan(rest, found)
            rest = rest[end:]
            if rest and not _looks_like_one(rest):
                break
    except Exception as error:  # pickletools raises whatever its readers raise
        raise BundleError(
            "bundle.malformed",
            f"a pickle in the bundle cannot be read: {type(error).__name__}",
            "Train the version again.",
        ) from error
    return frozenset(found)


def _scan(data: bytes, found: set[str]) -> int:
    """Reads one pickle; returns where it ends."""
    memo: dict[int, str | None] = {}
    texts: list[str | None] = []  # the last values put on the stack, as far as they are texts
    for code, value, position in pickletools.genops(data):
        name = code.name
        if name in ("GLOBAL", "INST"):
            found.add(_named(*str(value).split(" ", 1)))
        elif name == "STACK_GLOBAL":
            found.add(_joined(texts))
        elif name.startswith("EXT"):
            found.add(UNKNOWN)
        if name == "MEMOIZE":
            memo[len(memo)] = texts[-1] if texts else None
        elif name in _STORE:
            memo[int(value or 0)] = texts[-1] if texts else None
        elif name in _FETCH:
            texts.append(memo.get(int(value or 0)))
        elif name not in ("PROTO", "FRAME"):
            texts.append(value if name in _TEXT else None)
        if isinstance(value, bytes) and _looks_like_one(value):
            _inner(value, found)
        del texts[:-2]
        if name == "STOP":
            return int(position or 0) + 1
    raise ValueError("no STOP")


def _joined(texts: list[Any]) -> str:
    if len(texts) < 2 or None in texts[-2:]:
        return UNKNOWN
    return _named(texts[-2], texts[-1])


def _named(module: str, name: str = "") -> str:
    """The name as Python 3 resolves it: old protocols write those of Python 2."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"


def _looks_like_one(data: bytes) -> bool:
    return len(data) > 3 and data[0] == 0x80 and 2 <= data[1] <= 5 and b"." in data


def _inner(data: bytes, found: set[str]) -> None:
    inside: set[str] = set()
    try:
        _scan(data, inside)
    except Exception:  # noqa: BLE001 - bytes that only look like a pickle
        return
    found |= inside
