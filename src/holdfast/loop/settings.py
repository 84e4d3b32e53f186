"""Where this installation lives and whom it talks to: flags, then environment, then defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from holdfast.errors import UsageError

CONTROL_PORT = 8700
_FIT = re.compile(r"[!#-+\--:<-\[\]-~]+")  # characters of a cookie's value, RFC 6265


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is not declared in ``holdfast.toml``.

    Args:
        home: folder of all state, private to its owner (``HOLDFAST_HOME``).
        database_url: SQLAlchemy URL of the metadata (``HOLDFAST_DATABASE_URL``).
        tracking_uri: MLflow's (``MLFLOW_TRACKING_URI``).
        control_url: where the control plane answers (``HOLDFAST_CONTROL_URL``).
        public_url: where people reach the dashboard, for links (``HOLDFAST_PUBLIC_URL``).
        token: bearer token that clients send and servers ask for (``HOLDFAST_TOKEN``).
        webhook_secret: signs what may ask for a training by webhook; none may without it
            (``HOLDFAST_WEBHOOK_SECRET``).
        clock: file of a rehearsal's time (``HOLDFAST_CLOCK``); the machine's time without it.
    """

    home: Path
    database_url: str
    tracking_uri: str
    control_url: str | None = None
    public_url: str | None = None
    token: str | None = None
    webhook_secret: str | None = None
    clock: str | None = None

    def folder(self, name: str) -> Path:
        """A folder under home, made if need be."""
        path = self.home / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def environment(self) -> dict[str, str]:
        """The variables that give a child process the same settings."""
        pairs = {
            "HOLDFAST_HOME": str(self.home),
            "HOLDFAST_DATABASE_URL": self.database_url,
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "HOLDFAST_CONTROL_URL": self.control_url,
            "HOLDFAST_PUBLIC_URL": self.public_url,
            "HOLDFAST_TOKEN": self.token,
            "HOLDFAST_CLOCK": self.clock,
        }
        return {name: value for name, value in pairs.items() if value}


def load_settings(project: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the environment; state is kept in ``.holdfast`` of the project unless told otherwise.

    >>> load_settings(Path("/p"), {"HOLDFAST_HOME": "/var/lib/holdfast"}).tracking_uri
    'sqlite:////var/lib/holdfast/mlflow.db'

    Raises:
        UsageError: when the token fits no header or no cookie.
    """
    env = os.environ if environ is None else environ
    home = Path(env.get("HOLDFAST_HOME") or project / ".holdfast").absolute()
    return Settings(
        home=home,
        database_url=env.get("HOLDFAST_DATABASE_URL") or f"sqlite:///{home / 'holdfast.db'}",
        tracking_uri=env.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}",
        control_url=env.get("HOLDFAST_CONTROL_URL") or None,
        public_url=env.get("HOLDFAST_PUBLIC_URL") or None,
        token=_token(env.get("HOLDFAST_TOKEN") or None),
        webhook_secret=env.get("HOLDFAST_WEBHOOK_SECRET") or None,
        clock=env.get("HOLDFAST_CLOCK") or None,
    )


def _token(token: str | None) -> str | None:
    if token is not None and not _FIT.fullmatch(token):
        raise UsageError(
            "auth.token_unfit",
            "HOLDFAST_TOKEN has characters that no cookie or header can hold",
            "Set it to letters, digits, '-' and '_' only.",
        )
    return token


def prepare(settings: Settings) -> Settings:
    """Makes the home folder, private to its owner."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings
