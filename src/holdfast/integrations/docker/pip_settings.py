"""The package index that this machine's pip uses, as a file that a build can be lent.

An index may need a password and a certificate of its own. They are handed to the build as secrets,
which BuildKit mounts and never writes into a layer.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

CERTIFICATE = "/run/secrets/ca"
_KEYS = ("index-url", "extra-index-url", "proxy", "timeout", "trusted-host")


def pip_settings(
    environ: Mapping[str, str] | None = None, files: Sequence[Path] | None = None
) -> tuple[str, Path | None]:
    """A ``pip.conf`` for the build, and the certificates it needs.

    Indexes and wheels on this machine's disk are left out: a build does not see them.

    Args:
        environ: variables; those of this process by default.
        files: pip's own files, later ones over earlier ones; by default those pip would read.

    Returns:
        The text, empty when pip's defaults hold, and the file of certificates.
    """
    env = os.environ if environ is None else environ
    found = _read(pip_files(env) if files is None else files)
    for key in (*_KEYS, "cert"):
        if value := env.get(f"PIP_{key.upper().replace('-', '_')}"):
            found[key] = value
    lines = []
    for key in _KEYS:
        words = [word for word in found.get(key, "").split() if not word.startswith(("file:", "/"))]
        if words:
            lines.append(f"{key} = {' '.join(words)}")
    certificate = Path(found["cert"]) if "cert" in found else None
    if certificate is not None and certificate.is_file():
        lines.append(f"cert = {CERTIFICATE}")
    else:
        certificate = None
    return ("[global]\n" + "\n".join(lines) + "\n" if lines else ""), certificate


def pip_files(env: Mapping[str, str]) -> list[Path]:
    """Where pip looks for its settings: the machine's, the user's, the one that is named."""
    home = Path(env.get("HOME") or "/")
    named = env.get("PIP_CONFIG_FILE")
    return [
        Path("/etc/pip.conf"),
        home / ".pip" / "pip.conf",
        Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf",
        *([Path(named)] if named else []),
    ]


def _read(files: Sequence[Path]) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.read([str(file) for file in files], encoding="utf-8")
    sections = [dict(parser[name]) for name in ("global", "install") if parser.has_section(name)]
    return {key: value for section in sections for key, value in section.items()}
