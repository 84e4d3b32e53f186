"""One quiet MLflow client, with errors in our words."""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.errors import ConflictError, NotFoundError, UnavailableError

SQLITE = "sqlite:///"
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    # Its own default is seven retries with back-off: minutes until a dead server is noticed.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


def import_mlflow() -> Any:
    """The ``mlflow`` package, with telemetry and chatter off; what the user has set stays.

    Importing it takes a second and 180 MB, so only the functions that need it call this.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
    for name in ("mlflow", "alembic"):
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)
    return mlflow


class Client:
    """A lazily made ``MlflowClient``; safe to share between threads.

    Args:
        tracking_uri: ``sqlite:///…``, ``http(s)://…`` or another tracking URI of MLflow.
        registry_uri: where the registry is, when elsewhere.
    """

    def __init__(self, tracking_uri: str, registry_uri: str | None = None) -> None:
        self.tracking_uri = tracking_uri
        self.registry_uri = registry_uri or tracking_uri
        self._lock = threading.Lock()
        self._made: Any = None

    @property
    def remote(self) -> bool:
        """Whether an MLflow server keeps the files."""
        return self.tracking_uri.startswith(("http://", "https://"))

    @property
    def empty(self) -> bool:
        """Whether the local registry was never written to; making it takes seconds."""
        return self.file is not None and not self.file.exists()

    @property
    def file(self) -> Path | None:
        """The registry's SQLite file, when it is one."""
        uri = self.registry_uri
        return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None

    @contextmanager
    def calls(self) -> Iterator[Any]:
        """The ``MlflowClient``; what it raises inside comes out in our words.

        Raises:
            NotFoundError: when MLflow does not have it.
            UnavailableError: when MLflow cannot be reached.
            ConflictError: when MLflow refuses.
        """
        client = self._client()
        from mlflow.exceptions import MlflowException

        try:
            yield client
        except MlflowException as error:
            raise _in_our_words(error, self.tracking_uri) from error

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                if self.empty:
                    folder = Path(self.registry_uri.removeprefix(SQLITE)).parent
                    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._made = _new_client(self.tracking_uri, self.registry_uri)
            return self._made


def _new_client(tracking_uri: str, registry_uri: str) -> Any:
    mlflow = import_mlflow()
    # MLflow's tables warn of their own mapping when they are first imported.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not tracking_uri.startswith(("http://", "https://")):
            from mlflow.store.model_registry import sqlalchemy_store as _  # noqa: F401
            from mlflow.store.tracking import sqlalchemy_store  # noqa: F401
        return mlflow.MlflowClient(tracking_uri, registry_uri)


def ensure_experiment(client: Any, name: str, root: Path | None) -> str:
    """The id of an experiment, made when there is none; ``root`` is where its files go.

    Raises:
        ConflictError: when it was deleted.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            location = root.resolve().as_uri() if root is not None else None
            return str(client.create_experiment(name, artifact_location=location))
        except Exception:
            # Another process may have been first.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise ConflictError(
            "registry.deleted_experiment",
            f"MLflow's experiment '{name}' was deleted",
            "Restore it: mlflow experiments restore.",
        )
    return str(found.experiment_id)


def ensure_model(client: Any, name: str) -> None:
    """Makes a registered model when there is none."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _in_our_words(error: Any, uri: str) -> NotFoundError | UnavailableError | ConflictError:
    message = without_credentials(next(iter(str(error).splitlines()), "")[:300])
    if error.error_code == "RESOURCE_DOES_NOT_EXIST":
        return NotFoundError(
            "registry.not_found", f"MLflow: {message}", "'holdfast versions' lists what there is."
        )
    status = error.get_http_status_code()
    if status >= 500 and error.error_code in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"):
        return UnavailableError(
            "registry.unreachable",
            f"MLflow at {without_credentials(uri)} does not answer: {message}",
            "Check MLFLOW_TRACKING_URI and that the server is up; then try again.",
        )
    return ConflictError("registry.refused", f"MLflow refuses: {message}", "Mend what it names.")


def without_credentials(text: str) -> str:
    """The text with user names and passwords taken out of its URLs.

    >>> without_credentials("cannot reach http://me:secret@host/api")
    'cannot reach http://host/api'
    """
    return re.sub(r"://[^/@\s]*@", "://", text)
