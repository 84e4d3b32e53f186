"""The key of this installation: 32 random bytes that sign the bundles it makes."""

from __future__ import annotations

import os
from pathlib import Path

from holdfast.errors import BundleError

KEY_FILE = "key"
KEY_BYTES = 32


def make_key(home: Path) -> bytes:
    """The installation's key, made on first use (mode 0600); the same from then on.

    Raises:
        BundleError: when the key file is damaged.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / KEY_FILE
    if not path.exists():
        draft = home / f".{KEY_FILE}.{os.urandom(6).hex()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, os.urandom(KEY_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # A link fails when another process was first, and its key is then the one.
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return read_key(path)


def read_key(path: Path) -> bytes:
    """Reads a key file.

    Raises:
        BundleError: when it is missing or damaged.
    """
    try:
        key = path.read_bytes()
    except OSError as error:
        raise BundleError(
            "bundle.no_key", f"there is no key at {path}", "Name it with HOLDFAST_KEY_FILE."
        ) from error
    if len(key) != KEY_BYTES:
        raise BundleError(
            "bundle.bad_key",
            f"the key at {path} is damaged",
            "Restore it from a backup, or remove it: bundles with a pickle must then be remade.",
        )
    return key


def find_key() -> bytes | None:
    """This installation's key: the file HOLDFAST_KEY_FILE, else ``key`` in HOLDFAST_HOME.

    Never looked for beside the bundle: who sends a bundle could send a key along with it.

    Raises:
        BundleError: when the key that was named is missing or damaged.
    """
    if named := os.environ.get("HOLDFAST_KEY_FILE"):
        return read_key(Path(named))
    path = Path(os.environ.get("HOLDFAST_HOME", ".holdfast")) / KEY_FILE
    return read_key(path) if path.is_file() else None
