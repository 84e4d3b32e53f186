"""The target ``docker``: a Dockerfile and its context for one version."""

from __future__ import annotations

from importlib import resources
from typing import Annotated, ClassVar

import msgspec

from holdfast.errors import UsageError
from holdfast.integrations.docker.dockerfile import (
    BASE,
    BUNDLE,
    RECORD,
    SERVE,
    Packages,
    Stage,
    dockerfile,
)
from holdfast.integrations.docker.values import public_address
from holdfast.integrations.docker.wheel import own_wheel
from holdfast.ports.rendering import Content, Rendering, Subject

LOCK = "environment.txt"
_OURS = "holdfast=="


class ImageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What can be chosen of an image."""

    base: Annotated[
        str, msgspec.Meta(description="Base image, with Python 3.11 or newer, venv and pip.")
    ] = BASE
    fetch: Annotated[
        str | None,
        msgspec.Meta(
            description="Leave the bundle out; fetch it at start from this https, http or file "
            "address of its folder. Only this very bundle is accepted."
        ),
    ] = None
    anonymous: Annotated[
        bool,
        msgspec.Meta(description="Ask callers for no token, because the platform in front does."),
    ] = False


class ImageTarget:
    """An image of one version: ``serve`` answers, ``record`` drains the spool."""

    summary: ClassVar[str] = "A Dockerfile and its context for one version."
    example: ClassVar[str] = "holdfast render docker image --version 3"
    options: ClassVar[type[msgspec.Struct]] = ImageOptions
    of_version: ClassVar[bool] = True

    def render(self, subject: Subject | None, options: ImageOptions) -> Rendering:
        """The context; deterministic, so that the same version gives the same files.

        Raises:
            UsageError: when a value cannot be written safely, or the model is a pickle that this
                installation did not make.
        """
        assert subject is not None  # of_version
        wheel, data = own_wheel()
        locks, packages = _packages(subject)
        inside = options.fetch is None
        files: dict[str, Content] = {wheel: data, **locks}
        if inside:
            files["bundle"] = subject.folder
        files["Dockerfile"] = dockerfile(
            base=options.base,
            wheel=wheel,
            packages=packages,
            stages=_stages(subject, options, packages),
        )
        files[".dockerignore"] = "*\n" + "".join(
            f"!{name}\n" for name in sorted(files) if name != "Dockerfile"
        )
        return Rendering(files=files, next=["docker build -t NAME {folder}"])


TARGET = ImageTarget()


def image_lock(name: str) -> str:
    """The versions, with hashes, that an image of that name installs."""
    file = resources.files("holdfast.integrations.docker") / "locks" / f"{name}.txt"
    return file.read_text(encoding="utf-8")


def _packages(subject: Subject) -> tuple[dict[str, Content], list[Packages]]:
    """A compiled model needs what serving needs; another one what it was trained with."""
    if subject.manifest.predictor == "onnx":
        names = ["record", "serve"]
        made = [Packages(name=name, lock=f"{name}.txt", hashed=True) for name in names]
        return {f"{name}.txt": image_lock(name) for name in names}, made
    return {LOCK: _training(subject)}, [Packages(name="serve", lock=LOCK, hashed=False)]


def _training(subject: Subject) -> str:
    if not subject.trusted:
        raise UsageError(
            "render.pickle",
            "the model is a pickle that this installation did not make",
            "Reading it runs its code: say --allow-pickle only if you trust its maker.",
        )
    lines = [line for line in subject.lock.splitlines() if line and not line.startswith(_OURS)]
    head = "# The environment of the training: exact versions. Their hashes were not recorded.\n"
    return head + "".join(f"{_pin(line)}\n" for line in lines)


def _pin(line: str) -> str:
    """A line ``name==version`` and nothing else: pip would also read options and addresses here."""
    from holdfast.integrations.docker.values import plain

    name, sep, version = line.partition("==")
    if not sep or "/" in line or "@" in line or ":" in line:
        raise UsageError(
            "render.bad_lock",
            "the environment of the bundle has a line that is not name==version",
            "Register the version again.",
        )
    return f"{plain('package', name)}=={plain('package version', version.replace('!', ''))}"


def _stages(subject: Subject, options: ImageOptions, packages: list[Packages]) -> list[Stage]:
    inside = options.fetch is None
    bundle = BUNDLE if options.fetch is None else public_address("--fetch", options.fetch)
    environment: dict[str, object] = {
        "HOLDFAST_HOME": "/var/lib/holdfast",
        "HOLDFAST_SERVE_BUNDLE": bundle,
        "HOLDFAST_SERVE_DIGEST": subject.digest,
    }
    if subject.version is not None:
        environment["HOLDFAST_SERVE_VERSION"] = subject.version.number
    serving: dict[str, object] = {
        **environment,
        "HOLDFAST_HOST": "0.0.0.0",  # noqa: S104 - inside a container
        "HOLDFAST_METRICS_HOST": "0.0.0.0",  # noqa: S104
        "OMP_NUM_THREADS": 1,
        "ORT_DISABLE_TELEMETRY": 1,
    }
    if subject.manifest.predictor == "native":
        serving["HOLDFAST_ALLOW_PICKLE"] = 1  # of this very bundle: its digest is asked for
    if options.anonymous:
        serving["HOLDFAST_ANONYMOUS"] = 1
    last = packages[-1].name
    labels = lineage(subject)
    return [
        Stage(name="record", packages=packages[0].name, end=RECORD, bundle=inside,
              environment=environment, labels=labels),
        Stage(name="serve", packages=last, end=SERVE, bundle=inside,
              environment=serving, labels=labels),
    ]  # fmt: skip


def lineage(subject: Subject) -> dict[str, object]:
    """Labels that lead from an image back to run, code and data."""
    manifest, version = subject.manifest, subject.version
    labels: dict[str, object] = {
        "org.opencontainers.image.title": manifest.model,
        "org.opencontainers.image.created": f"{manifest.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "io.holdfast.model": manifest.model,
        "io.holdfast.run": manifest.run,
        "io.holdfast.dataset": manifest.dataset,
        "io.holdfast.bundle": subject.digest,
        "io.holdfast.predictor": manifest.predictor,
    }
    if version is None:
        return labels
    labels |= {
        "org.opencontainers.image.version": version.number,
        "org.opencontainers.image.revision": version.code.commit or version.code.digest,
        "io.holdfast.version": version.number,
        "io.holdfast.code": version.code.digest,
    }
    if version.code.commit:
        labels["io.holdfast.commit"] = version.code.commit
        labels["io.holdfast.dirty"] = str(version.code.dirty).lower()
    if version.parent is not None:
        labels["io.holdfast.parent"] = version.parent
    return labels
