"""Fetching a bundle from an address, file by file, as its ``bundle.json`` lists them.

The address is a folder that any web server, object store or MLflow's artifact proxy can show. Whose
bytes they are does not matter: the digest must be known beforehand, and only that bundle is kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote, urlsplit

from holdfast.bundle.manifest import MANIFEST_FILE, SIGNATURE_FILE, read_manifest, verify
from holdfast.errors import BundleError, UnavailableError, UsageError

SECONDS = 30.0
_MANIFEST_LIMIT = 8 << 20
_SIGNATURE_LIMIT = 1 << 10
_CHUNK = 1 << 20


def is_address(name: str) -> bool:
    """Whether a bundle's name is an address to fetch it from.

    >>> is_address("https://models.internal/churn/3"), is_address("bundles/churn")
    (True, False)
    """
    return name.startswith(("https://", "http://", "file://"))


def fetch(address: str, digest: str | None, into: Path) -> Path:
    """A local, verified folder of the bundle; fetched once.

    Args:
        address: of the bundle's folder.
        digest: content address that the bundle must have, ``sha256:…``.
        into: folder of fetched bundles.

    Raises:
        UsageError: when no digest is known.
        BundleError: when what is there is not that bundle.
        UnavailableError: when it cannot be fetched.
    """
    if not digest:
        raise UsageError(
            "fetch.no_digest",
            "a bundle is fetched only when its digest is known",
            "Set HOLDFAST_SERVE_DIGEST; 'holdfast versions --json' shows it.",
        )
    target = into / digest.replace(":", "-").replace("/", "-")
    try:
        verify(target, digest)
    except BundleError:
        return _fetch(address.rstrip("/"), digest, into, target)
    return target


def _fetch(address: str, digest: str, into: Path, target: Path) -> Path:
    draft = into / f".fetch-{os.urandom(6).hex()}"
    draft.mkdir(mode=0o700, parents=True)
    try:
        _get(f"{address}/{MANIFEST_FILE}", draft / MANIFEST_FILE, _MANIFEST_LIMIT)
        data = (draft / MANIFEST_FILE).read_bytes()
        if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
            raise BundleError(
                "fetch.other_bundle",
                "the address holds another bundle than the one asked for",
                "Correct HOLDFAST_SERVE_BUNDLE or HOLDFAST_SERVE_DIGEST.",
            )
        # From here on the list of files is the one that was sealed.
        for artefact in read_manifest(draft).files:
            _get(f"{address}/{quote(artefact.path)}", _inside(draft, artefact.path), artefact.size)
        _get(f"{address}/{SIGNATURE_FILE}", draft / SIGNATURE_FILE, _SIGNATURE_LIMIT)
        verify(draft, digest)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError("fetch.outside", "the bundle names a file outside its folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _get(url: str, path: Path, most: int) -> None:
    """Writes one file, of at most that many bytes."""
    host = urlsplit(url).hostname or "this machine"
    try:
        with (
            urllib.request.urlopen(url, timeout=SECONDS) as answer,  # noqa: S310 - schemes checked
            path.open("wb") as file,
        ):
            left = most
            while chunk := answer.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise BundleError("fetch.too_large", f"{path.name} is larger than was sealed")
                file.write(chunk)
    except (OSError, HTTPException) as error:
        status = ""
        if isinstance(error, urllib.error.HTTPError):
            status = f" ({error.code})"
            error.close()
        raise UnavailableError(
            "fetch.failed",
            f"{path.name} cannot be fetched from {host}{status}",
            "Check HOLDFAST_SERVE_BUNDLE, and that this machine reaches it.",
        ) from None
