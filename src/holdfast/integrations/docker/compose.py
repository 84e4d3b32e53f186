"""The target ``compose``: a whole installation on one machine, a container each."""

from __future__ import annotations

from importlib import resources
from typing import Annotated, ClassVar

import msgspec

from holdfast.integrations.docker.dockerfile import (
    BASE,
    CONTROL,
    HOME,
    RECORD,
    SERVE,
    Packages,
    Stage,
    dockerfile,
)
from holdfast.integrations.docker.image import image_lock
from holdfast.integrations.docker.values import plain
from holdfast.integrations.docker.wheel import own_wheel
from holdfast.ports.rendering import Content, Rendering, Subject

_NAMES = ("record", "serve", "control")
_TEXTS = {
    "compose.yaml": "compose.yaml",
    "env.example": "env.example",
    "prometheus/prometheus.yml": "prometheus.yml",
    "prometheus/rules.yml": "rules.yml",
}


class ComposeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What can be chosen of an installation."""

    base: Annotated[
        str, msgspec.Meta(description="Base image, with Python 3.11 or newer, venv and pip.")
    ] = BASE
    postgres: Annotated[str, msgspec.Meta(description="Image of PostgreSQL.")] = "postgres:17"
    prometheus: Annotated[str, msgspec.Meta(description="Image of Prometheus.")] = (
        "prom/prometheus:v3.5.0"
    )


class ComposeTarget:
    """Server, recorder, control plane, PostgreSQL and Prometheus."""

    summary: ClassVar[str] = (
        "A compose file: server, recorder, control plane, PostgreSQL, Prometheus with alerts."
    )
    example: ClassVar[str] = "holdfast render compose stack"
    options: ClassVar[type[msgspec.Struct]] = ComposeOptions
    of_version: ClassVar[bool] = False

    def render(self, subject: Subject | None, options: ComposeOptions) -> Rendering:  # noqa: ARG002
        """The files; the server follows the control plane, so no version is built in.

        Raises:
            UsageError: when a value cannot be written safely.
        """
        wheel, data = own_wheel()
        locks: dict[str, Content] = {f"image/{name}.txt": image_lock(name) for name in _NAMES}
        images = {
            "@POSTGRES@": plain("image of PostgreSQL", options.postgres),
            "@PROMETHEUS@": plain("image of Prometheus", options.prometheus),
        }
        files: dict[str, Content] = {f"image/{wheel}": data, **locks}
        for path, name in _TEXTS.items():
            files[path] = _text(name, images)
        files["image/Dockerfile"] = _dockerfile(options.base, wheel)
        files["image/.dockerignore"] = f"*\n!*.txt\n!{wheel}\n"
        return Rendering(
            files=files,
            next=["fill in {folder}/env.example and save it as {folder}/.env",
                  "docker compose --project-directory {folder} up --detach"],
        )  # fmt: skip


TARGET = ComposeTarget()


def _text(name: str, values: dict[str, str]) -> str:
    file = resources.files("holdfast.integrations.docker") / "stack" / name
    text = file.read_text(encoding="utf-8")
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text


def _dockerfile(base: str, wheel: str) -> str:
    home = {"HOLDFAST_HOME": HOME}
    any_host = "0.0.0.0"  # noqa: S104 - inside a container
    serving: dict[str, object] = {
        **home,
        "HOLDFAST_HOST": any_host,
        "HOLDFAST_METRICS_HOST": any_host,
    }
    serving |= {"OMP_NUM_THREADS": 1, "ORT_DISABLE_TELEMETRY": 1}
    return dockerfile(
        base=base,
        wheel=wheel,
        packages=[Packages(name=name, lock=f"{name}.txt", hashed=True) for name in _NAMES],
        stages=[
            Stage(name="record", packages="record", end=RECORD, environment=home),
            Stage(name="serve", packages="serve", end=SERVE, environment=serving),
            Stage(name="control", packages="control", end=CONTROL, environment=home),
        ],
    )
