"""The Dockerfile: stages that install, stages that run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.integrations.docker.values import plain

HOME = "/var/lib/holdfast"
BUNDLE = "/opt/bundle"
BASE = "python:3.11-slim"
USER = "10001:10001"

_HEAD = """\
# Written by 'holdfast render'. Render again instead of editing.
#
#   docker build {targets} .
#
# The package index is the base image's own. Another one, with its password, is given as a secret
# and leaves no trace:   --secret id=pip,src=pip.conf
ARG BASE={base}
"""

_PACKAGES = """
FROM ${{BASE}} AS {stage}-packages
USER 0:0
WORKDIR /src
RUN ["python", "-m", "venv", "--without-pip", "/opt/holdfast"]
COPY {lock} ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \\
    ["python", "-m", "pip", "--python", "/opt/holdfast/bin/python", "install", \\
     "--no-cache-dir", "--disable-pip-version-check", "--no-deps", {options}"-r", "{lock}"]
COPY {wheel} ./
RUN ["python", "-m", "pip", "--python", "/opt/holdfast/bin/python", "install", \\
     "--no-cache-dir", "--disable-pip-version-check", "--no-deps", "--no-index", "./{wheel}"]
USER {user}
"""

_RUN = """
FROM ${{BASE}} AS {stage}
USER 0:0
ARG BASE
LABEL org.opencontainers.image.base.name="${{BASE}}"{labels}
ENV PATH="/opt/holdfast/bin:${{PATH}}" \\
    PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONUNBUFFERED=1{variables}
# Open to every user, because platforms choose one: root, a fixed one, or any.
RUN ["python", "-c", "import os; os.makedirs('{home}'); os.chmod('{home}', 0o1777)"]
COPY --from={packages}-packages /opt/holdfast /opt/holdfast
{copies}WORKDIR {home}
VOLUME ["{home}"]
USER {user}
"""


@dataclass(frozen=True, kw_only=True)
class Packages:
    """A stage that installs.

    Args:
        name: of the stage.
        lock: file of the context with exact versions.
        hashed: whether it has hashes.
    """

    name: str
    lock: str
    hashed: bool


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage that runs.

    Args:
        name: of the stage, for ``--target``.
        packages: name of the stage it takes its packages from.
        end: ports, health check, entry point.
        environment: variables.
        labels: of the image.
        bundle: whether the context's bundle is copied into it.
    """

    name: str
    packages: str
    end: str
    environment: Mapping[str, object] = field(default_factory=dict)
    labels: Mapping[str, object] = field(default_factory=dict)
    bundle: bool = False


SERVE = """\
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \\
    CMD ["/opt/holdfast/bin/python", "-m", "holdfast.serving.probe"]
ENTRYPOINT ["/opt/holdfast/bin/holdfast"]
CMD ["serve"]
"""
RECORD = """\
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
ENTRYPOINT ["/opt/holdfast/bin/python", "-m", "holdfast.loop.record"]
"""
CONTROL = """\
EXPOSE 8700
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \\
    CMD ["/opt/holdfast/bin/python", "-c", "import urllib.request as r; \\
r.urlopen('http://127.0.0.1:8700/api/v1/health', timeout=4)"]
ENTRYPOINT ["/opt/holdfast/bin/holdfast"]
CMD ["control", "--host", "0.0.0.0"]
"""


def dockerfile(*, base: str, wheel: str, packages: list[Packages], stages: list[Stage]) -> str:
    """The text; the last stage is the one that ``docker build`` makes when told no other.

    Raises:
        UsageError: when a value cannot be written safely.
    """
    names = [stage.name for stage in stages]
    targets = f"[--target {'|'.join(names)}]"
    text = _HEAD.format(targets=targets, base=plain("base image", base))
    for made in packages:
        options = '"--require-hashes", "--only-binary=:all:", ' if made.hashed else ""
        text += _PACKAGES.format(
            stage=made.name,
            lock=made.lock,
            wheel=plain("wheel", wheel),
            options=options,
            user=USER,
        )
    return text + "".join(_stage(stage) for stage in stages)


def _stage(stage: Stage) -> str:
    labels = "".join(
        f' \\\n      {name}="{plain(name, value)}"' for name, value in stage.labels.items()
    )
    variables = "".join(
        f" \\\n    {name}={plain(name, value)}" for name, value in stage.environment.items()
    )
    copies = f"COPY bundle {BUNDLE}\n" if stage.bundle else ""
    return (
        _RUN.format(
            stage=stage.name, packages=stage.packages, labels=labels, variables=variables,
            copies=copies, home=HOME, user=USER,
        )
        + stage.end
    )  # fmt: skip
