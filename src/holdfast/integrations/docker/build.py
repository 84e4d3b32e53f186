"""Building an image, and trying it before anybody relies on it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from holdfast.bundle.predictor import VALUE_TOLERANCE, Golden, read_golden
from holdfast.errors import BundleError, HoldfastError
from holdfast.integrations.docker.engine import Engine
from holdfast.integrations.docker.pip_settings import pip_settings
from holdfast.integrations.docker.values import plain
from holdfast.ports.rendering import BuildOrder, Built, Subject

READY_SECONDS = 60.0
ANY_USER = "54321:54321"
_PYTHON = "/opt/holdfast/bin/python"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def build(subject: Subject, order: BuildOrder) -> Built:
    """Builds a rendered folder; see :class:`holdfast.ports.rendering.Build`.

    The container that is tried has no network, no privileges, a user that the image does not know
    and a root it cannot write to: an image that works so works on stricter platforms too.
    """
    engine = Engine()
    tags = tuple(plain("tag", tag) for tag in order.tags)
    order.say(f"building {' '.join(tags)}")
    image = _build(engine, order, tags)
    order.say("trying it: readiness, then the golden rows")
    seconds, rows = _try(engine, image, subject)
    size = int(engine.call(["image", "inspect", "-f", "{{.Size}}", image], what="find the image"))
    base = ["image", "inspect", "-f", "{{.Size}}", order.base]
    base_size = int(engine.call(base, what="find the base")) if engine.tries(base) else 0
    return Built(
        image=image, tags=tags, size=size, base_size=base_size, ready_seconds=seconds, rows=rows
    )


def _build(engine: Engine, order: BuildOrder, tags: tuple[str, ...]) -> str:
    with tempfile.TemporaryDirectory(prefix="holdfast-build-") as work:
        made = Path(work) / "image"
        arguments = ["build", "--target", "serve", "--iidfile", str(made)]
        arguments += [part for tag in tags for part in ("--tag", tag)]
        if order.network:
            arguments += ["--network", order.network]
        # By name only: the value is read from the environment and kept in no layer.
        arguments += [
            part for name in _PROXIES if name in os.environ for part in ("--build-arg", name)
        ]
        text, certificate = pip_settings()
        if text:
            file = Path(work) / "pip.conf"
            file.write_text(text, encoding="utf-8")
            arguments += ["--secret", f"id=pip,src={file}"]
        if certificate is not None:
            arguments += ["--secret", f"id=ca,src={certificate}"]
        engine.call([*arguments, str(order.context)], what="build the image")
        return made.read_text(encoding="ascii").strip()


def _try(engine: Engine, image: str, subject: Subject) -> tuple[float, int]:
    """Seconds until ready, and how many golden rows were answered as at registration."""
    _, golden = read_golden(subject.folder, subject.manifest)
    with _container(engine, image) as container:
        started = time.monotonic()
        while not engine.tries(["exec", container, _PYTHON, "-m", "holdfast.serving.probe"]):
            state = ["inspect", "-f", "{{.State.Running}}", container]
            if engine.call(state, what="look at the container") != "true":
                raise _failed(engine, container, "ended before it was ready")
            if time.monotonic() - started > READY_SECONDS:
                raise _failed(engine, container, f"was not ready in {READY_SECONDS:.0f} seconds")
            time.sleep(0.1)
        seconds = round(time.monotonic() - started, 2)
        asked = json.dumps({"dataframe_split": _split(golden)})
        ask = ["exec", "-i", container, _PYTHON, "-m", "holdfast.serving.probe", "--ask"]
        answer = engine.call(ask, what="get an answer of the container", stdin=asked)
        if not _same(json.loads(answer)["predictions"], golden):
            raise _failed(engine, container, "answers the golden rows differently")
        return seconds, len(golden.prediction)


@contextlib.contextmanager
def _container(engine: Engine, image: str) -> Iterator[str]:
    arguments = [
        "run", "--detach", "--read-only", "--user", ANY_USER, "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--network", "none", "--env", "HOLDFAST_TOKEN",
    ]  # fmt: skip
    token = {"HOLDFAST_TOKEN": secrets.token_urlsafe(24)}
    container = engine.call([*arguments, image, "serve"], what="start the image", environ=token)
    try:
        yield container
    finally:
        engine.tries(["rm", "--force", "--volumes", container])


def _split(golden: Golden) -> dict[str, object]:
    rows = [list(row) for row in zip(*golden.columns.values(), strict=True)]
    return {"columns": list(golden.columns), "data": msgspec.to_builtins(rows)}


def _same(answered: list[object], golden: Golden) -> bool:
    """Labels must be equal, numbers within the tolerance of golden rows."""
    values = [one["prediction"] if isinstance(one, dict) else one for one in answered]
    if golden.probability is None:
        return _near(values, golden.prediction)
    shares = [one["probability"] if isinstance(one, dict) else None for one in answered]
    return values == list(golden.prediction) and _near(shares, golden.probability)


def _near(answered: list[object], expected: object) -> bool:
    given, wanted = np.array(answered, dtype=np.float64), np.array(expected, dtype=np.float64)
    return given.shape == wanted.shape and np.allclose(
        given, wanted, rtol=VALUE_TOLERANCE, atol=VALUE_TOLERANCE
    )


def _failed(engine: Engine, container: str, what: str) -> HoldfastError:
    logs = ""
    with contextlib.suppress(HoldfastError):
        logs = engine.call(["logs", "--tail", "20", container], what="read the logs")
    return BundleError(
        "build.smoke",
        f"the image was built, but its container {what}{': ' + logs if logs else ''}",
        "Do not use the image; 'docker run IMAGE' shows what it says.",
    )
