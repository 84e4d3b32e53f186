"""What can be said of building without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.bundle.predictor import Golden
from holdfast.errors import UnavailableError, UsageError
from holdfast.integrations.docker.build import _same, build
from holdfast.integrations.docker.engine import Engine
from holdfast.ports.rendering import BuildOrder, Subject


def test_without_an_engine_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_DOCKER", "/nowhere/docker")
    with pytest.raises(UnavailableError, match=r"build\.no_engine") as caught:
        Engine()
    assert "holdfast render docker" in caught.value.fix


def test_an_engine_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = tmp_path / "docker"
    dead.write_text("#!/bin/sh\necho 'Cannot connect to the daemon.' >&2\nexit 1\n")
    dead.chmod(0o755)
    monkeypatch.setenv("HOLDFAST_DOCKER", str(dead))
    with pytest.raises(UnavailableError, match=r"Cannot connect to the daemon.*engine_down"):
        Engine()


def test_a_tag_adds_no_argument(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = tmp_path / "docker"
    alive.write_text("#!/bin/sh\nexit 0\n")
    alive.chmod(0o755)
    monkeypatch.setenv("HOLDFAST_DOCKER", str(alive))
    order = BuildOrder(context=tmp_path, tags=("--privileged",), base="b", network=None, say=print)
    with pytest.raises(UsageError, match=r"render\.unsafe_value"):
        build(subject, order)


CLASSES = Golden(columns={"a": [1.0, 2.0]}, prediction=["no", "yes"], probability=[0.1, 0.9])
VALUES = Golden(columns={"a": [1.0, 2.0]}, prediction=[1.5, 2.5])


@pytest.mark.parametrize(
    ("golden", "answered", "same"),
    [
        (CLASSES, [{"prediction": "no", "probability": 0.10001},
                   {"prediction": "yes", "probability": 0.9}], True),
        (CLASSES, [{"prediction": "no", "probability": 0.2},
                   {"prediction": "yes", "probability": 0.9}], False),
        (CLASSES, [{"prediction": "yes", "probability": 0.1},
                   {"prediction": "yes", "probability": 0.9}], False),
        (CLASSES, [{"prediction": "no", "probability": 0.1}], False),
        (VALUES, [1.5, 2.50001], True),
        (VALUES, [1.5, 2.6], False),
        (VALUES, [1.5], False),
        (VALUES, [1.5, None], False),
    ],
)  # fmt: skip
def test_answers_are_compared_with_those_of_registration(
    golden: Golden, answered: list[object], same: bool
) -> None:
    assert _same(answered, golden) is same
