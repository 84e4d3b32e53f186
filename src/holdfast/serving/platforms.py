"""What the machine-learning platform around this process asks of it, read once from its variables.

SageMaker, Vertex AI and Azure ML start a container of one's own and tell it, by variables and
folders, where to listen, under which paths to answer, and where the model is. Everything that is
particular to one of them before the first request is in this file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from holdfast.bundle.manifest import MANIFEST_FILE
from holdfast.errors import UsageError

_EVERYWHERE = "0.0.0.0"  # noqa: S104 (a container's port is reached by its platform only)
_DEEPEST = 3


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the server; the defaults are those of no platform.

    Args:
        name: which platform it is; empty for none.
        host: address to listen on. Platforms ask for every address and authenticate the callers
            themselves, so no token is demanded unless one is set.
        port: to listen on.
        workers: server processes.
        model: folder in which the bundle is, or the address of it.
        health: path of the health check.
        predict: path of predictions.
        accept: media type of answers to who does not say what he accepts.
    """

    name: Literal["", "sagemaker", "vertex", "azure"] = ""
    host: str | None = None
    port: int | None = None
    workers: int | None = None
    model: str | None = None
    health: str | None = None
    predict: str | None = None
    accept: str = "application/json"


def read_platform(environ: Mapping[str, str]) -> Platform:
    """The platform that started this process.

    >>> read_platform({"AZUREML_MODEL_DIR": "/models/1"}).port
    5001
    >>> read_platform({}).name
    ''

    Raises:
        UsageError: when a variable cannot be what it must be.
    """
    if environ.get("AIP_HTTP_PORT") or environ.get("AIP_PREDICT_ROUTE"):
        return _vertex(environ)
    if environ.get("AZUREML_MODEL_DIR"):
        model = environ["AZUREML_MODEL_DIR"]
        workers = _number(environ, "WORKER_COUNT")
        return Platform(name="azure", host=_EVERYWHERE, port=5001, workers=workers, model=model)
    folder = Path(environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml") / "model"
    if environ.get("SAGEMAKER_BIND_TO_PORT") or folder.is_dir():
        return _sagemaker(environ, folder)
    return Platform()


def _sagemaker(environ: Mapping[str, str], folder: Path) -> Platform:
    return Platform(
        name="sagemaker",
        host=_EVERYWHERE,
        port=_port(environ, "SAGEMAKER_BIND_TO_PORT"),
        workers=_number(environ, "SAGEMAKER_MODEL_SERVER_WORKERS"),
        model=str(folder),
        accept=environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or "application/json",
    )


def _vertex(environ: Mapping[str, str]) -> Platform:
    endpoint, deployed = environ.get("AIP_ENDPOINT_ID"), environ.get("AIP_DEPLOYED_MODEL_ID")
    default = f"/v1/endpoints/{endpoint}/deployedModels/{deployed}"
    known = bool(endpoint and deployed)
    return Platform(
        name="vertex",
        host=_EVERYWHERE,
        port=_port(environ, "AIP_HTTP_PORT"),
        model=environ.get("AIP_STORAGE_URI") or None,
        health=_path(environ, "AIP_HEALTH_ROUTE") or (default if known else None),
        predict=_path(environ, "AIP_PREDICT_ROUTE") or (f"{default}:predict" if known else None),
    )


def _port(environ: Mapping[str, str], name: str) -> int:
    port = _number(environ, name, least=0)
    return 8080 if port is None else port


def _number(environ: Mapping[str, str], name: str, *, least: int = 1) -> int | None:
    text = environ.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and least <= int(text) < 2**16):
        raise UsageError(
            "serve.platform", f"{name} is '{text}', which is no number from {least} to 65535",
            "Unset it, or set it to a number.",
        )  # fmt: skip
    return int(text)


def _path(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name)
    if text and not text.startswith("/"):
        raise UsageError(
            "serve.platform", f"{name} is '{text}', which is no path", "Let it begin with a slash."
        )
    return text or None


def find_bundle(model: str) -> Path:
    """The folder of the bundle at, or somewhere below, the place that a platform named.

    Args:
        model: a folder; a ``gs://`` address is one when it is mounted below ``/gcs``.

    Raises:
        UsageError: when there is no bundle, or more than one, or the place cannot be read.
    """
    folder = Path(model)
    if model.startswith("gs://"):
        folder = Path("/gcs") / model.removeprefix("gs://")
        if not folder.is_dir():
            raise UsageError(
                "serve.storage", f"{model} is not on this machine, and is not fetched",
                "Put the bundle into the image and name its folder, or mount the bucket at /gcs.",
            )  # fmt: skip
    found = list(_bundles(folder, _DEEPEST)) if folder.is_dir() else []
    if not found:
        raise UsageError(
            "serve.no_bundle", f"there is no bundle in {folder}",
            "Put a bundle's files there, bundle.json with the others, or name its folder.",
        )  # fmt: skip
    if len(found) > 1:
        raise UsageError(
            "serve.many_bundles", f"there are {len(found)} bundles in {folder}",
            "Name the one to serve: holdfast serve FOLDER.",
        )  # fmt: skip
    return found[0]


def _bundles(folder: Path, deeper: int) -> Iterator[Path]:
    if (folder / MANIFEST_FILE).is_file():
        yield folder
    elif deeper:
        with os.scandir(folder) as entries:
            below = sorted(entry.path for entry in entries if entry.is_dir())
        for path in below:
            yield from _bundles(Path(path), deeper - 1)
