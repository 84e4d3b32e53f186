"""Writing and verifying ``bundle.json`` and its signature.

The address of a bundle is the digest of the bytes of ``bundle.json``, which holds the digest of
every other file. Nothing of a bundle is deserialised before all of it was hashed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from holdfast.errors import BundleError
from holdfast.records.base import digest
from holdfast.records.bundle import Artefact, BundleManifest, RecordPolicy
from holdfast.records.signature import Signature

MANIFEST_FILE = "bundle.json"
SIGNATURE_FILE = "bundle.sig"
MODEL_FILE = "model.onnx"
REFERENCE_FILE = "reference.json"
LOCK_FILE = "environment.txt"
FORMAT = 2
_CHUNK = 1 << 20


def write_bundle(
    folder: Path,
    *,
    model: str,
    task: str,
    signature: Signature,
    predictor: Literal["onnx", "native"],
    native: Literal["pickle", "xgboost", "lightgbm"],
    run: str,
    dataset: str,
    created_at: datetime,
    key: bytes,
    note: str = "",
    record: RecordPolicy | None = None,
) -> BundleManifest:
    """Seals the files of ``folder``: writes ``bundle.json`` and ``bundle.sig``.

    The same files and fields give the same bytes, and so the same digest.

    Raises:
        BundleError: when the folder holds something that is not a plain file.
    """
    policy = record or RecordPolicy()
    manifest = BundleManifest(
        # A server that knows only format 1 would record what must not be, so it must refuse.
        format=1 if policy == RecordPolicy() else FORMAT, record=policy,
        model=model, task=task, signature=signature, predictor=predictor,
        native=native, files=tuple(_artefact(folder, path) for path in _walk(folder)),
        run=run, dataset=dataset, created_at=created_at, note=note,
    )  # fmt: skip
    data = manifest.to_json()
    (folder / MANIFEST_FILE).write_bytes(data)
    (folder / SIGNATURE_FILE).write_text(_sign(key, digest(data)) + "\n", encoding="ascii")
    return manifest


def read_manifest(folder: str | Path) -> BundleManifest:
    """Reads ``bundle.json`` without verifying the other files.

    Raises:
        BundleError: when it is missing, malformed, or of a newer format.
    """
    return _parse(_manifest_bytes(Path(folder)))


def bundle_digest(folder: str | Path) -> str:
    """The content address of a bundle: ``sha256:…`` of its ``bundle.json``.

    Raises:
        BundleError: when there is none.
    """
    return digest(_manifest_bytes(Path(folder)))


def verify(folder: str | Path, expected_digest: str | None = None) -> BundleManifest:
    """Re-hashes every file; returns the manifest when all is as it was sealed.

    Args:
        folder: the bundle.
        expected_digest: the content address it must have.

    Raises:
        BundleError: when a file is missing, added, changed, or outside the folder.
    """
    path = Path(folder)
    data = _manifest_bytes(path)
    if expected_digest is not None and not hmac.compare_digest(digest(data), expected_digest):
        raise _broken(path, f"has the digest {digest(data)}, not {expected_digest}")
    manifest = _parse(data)
    listed = {artefact.path: artefact for artefact in manifest.files}
    if len(listed) != len(manifest.files) or not all(map(_inside, listed)):
        raise _broken(path, "lists a file twice or outside its folder")
    found = {file.relative_to(path).as_posix() for file in _walk(path)}
    for name in sorted(listed.keys() - found):
        raise _broken(path, f"lacks its file {name}")
    if extra := found - listed.keys():
        raise _broken(path, f"holds {len(extra)} files that were not sealed with it")
    for name, artefact in listed.items():
        if _artefact(path, path / name) != artefact:
            raise _broken(path, f"holds a changed {name}")
    return manifest


def read_file(folder: Path, manifest: BundleManifest, name: str) -> bytes:
    """The bytes of one file of the bundle, checked as they are read.

    The model is built from these very bytes, so nobody can swap the file after the check.

    Raises:
        BundleError: when the manifest does not list it, or it was changed.
    """
    for artefact in manifest.files:
        if artefact.path == name:
            try:
                data = (folder / name).read_bytes()
            except OSError as error:
                raise _broken(folder, f"lacks its file {name}") from error
            if digest(data) != artefact.sha256:
                raise _broken(folder, f"holds a changed {name}")
            return data
    raise _broken(folder, f"lacks its file {name}")


def may_unpickle(folder: str | Path, key: bytes | None) -> bool:
    """Whether the bundle was sealed with ``key``, so that reading its pickle runs no new code."""
    if not key:
        return False
    try:
        written = (Path(folder) / SIGNATURE_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return False
    return hmac.compare_digest(written, _sign(key, bundle_digest(folder)))


def _sign(key: bytes, address: str) -> str:
    return hmac.new(key, address.encode(), hashlib.sha256).hexdigest()


def _walk(folder: Path) -> list[Path]:
    """Every file but the manifest and its signature, sorted; links and devices are refused."""
    files = []
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root) / name
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode) or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise _broken(folder, "holds a link or a device")
        files += [Path(root) / name for name in names]
    own = {folder / MANIFEST_FILE, folder / SIGNATURE_FILE}
    return sorted(set(files) - own, key=lambda path: path.relative_to(folder).as_posix())


def _artefact(folder: Path, path: Path) -> Artefact:
    hasher, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
            size += len(chunk)
    name = path.relative_to(folder).as_posix()
    return Artefact(path=name, sha256="sha256:" + hasher.hexdigest(), size=size)


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    plain = path.as_posix() == name and "\\" not in name and "\0" not in name
    return plain and not path.is_absolute() and ".." not in path.parts and name != "."


def _manifest_bytes(folder: Path) -> bytes:
    path = folder / MANIFEST_FILE
    try:
        if path.is_symlink():
            raise _broken(folder, "holds a link or a device")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            "bundle.missing",
            f"there is no bundle in {folder}",
            "Name the folder that holds bundle.json.",
        ) from error


def _parse(data: bytes) -> BundleManifest:
    try:
        manifest = BundleManifest.from_json(data)
    except msgspec.MsgspecError as error:
        raise BundleError(
            "bundle.malformed", f"{MANIFEST_FILE} cannot be read", "Register the version again."
        ) from error
    if manifest.format > FORMAT:
        raise BundleError(
            "bundle.newer_format",
            f"the bundle has format {manifest.format}; this Holdfast reads up to {FORMAT}",
            "Upgrade Holdfast here.",
        )
    return manifest


def _broken(folder: Path, what: str) -> BundleError:
    return BundleError(
        "bundle.corrupt",
        f"the bundle {folder.name} {what}",
        "Fetch it again from the registry; do not use this copy.",
    )
