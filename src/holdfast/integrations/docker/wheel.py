"""A wheel of the Holdfast that runs, packed from where it is installed.

So an image gets exactly the code that rendered it, also where there is no checkout and no
registry that has it.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import holdfast

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files give the same bytes
_NOT_PACKED = {"__pycache__", "examples", "demo"}


@functools.cache
def own_wheel() -> tuple[str, bytes]:
    """File name and bytes of a wheel that pip installs."""
    found = distribution("holdfast")
    name = f"holdfast-{found.version}"
    files = dict(_files(found, f"{name}.dist-info"))
    files[f"{name}.dist-info/RECORD"] = _record(files, f"{name}.dist-info/RECORD")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return f"{name}-py3-none-any.whl", packed.getvalue()


def _files(found: Distribution, info: str) -> Iterator[tuple[str, bytes]]:
    package = Path(holdfast.__file__).parent
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package.parent)
        if path.is_file() and not _NOT_PACKED.intersection(inside.parts):
            yield inside.as_posix(), path.read_bytes()
    yield f"{info}/METADATA", (found.read_text("METADATA") or "").encode()
    yield f"{info}/entry_points.txt", (found.read_text("entry_points.txt") or "").encode()
    wheel = "Wheel-Version: 1.0\nGenerator: holdfast\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    yield f"{info}/WHEEL", wheel.encode()


def _record(files: dict[str, bytes], own: str) -> bytes:
    lines = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{own},,\n"]).encode()
