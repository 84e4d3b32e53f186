"""What the gate is given: both versions, latency, size, and the project's own tests."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.errors import GateError, NotFoundError
from holdfast.loop.gating import gate_now, run_gate
from holdfast.records import Job, JobState

TESTS = """
def test_larger_is_worse(model):
    rows = [{"size": s, "heat": 20.0, "kind": "east"} for s in (-1.0, 0.0, 1.0)]
    assert model.predict(rows)["probability"].is_monotonic_increasing

def test_of_what_is_not_so(model):
    assert len(model.predict([{"size": 0.0, "heat": 20.0, "kind": "east"}])) == EXPECTED
"""


def _checks(home: Any, number: int = 3) -> dict[str, Any]:
    verdict = gate_now(home.container, "tiny", number)
    checks = {check.name: check for check in verdict.checks}
    return {"verdict": verdict, **checks}


@pytest.mark.parametrize(("expected", "outcome"), [("1", "pass"), ("2", "fail")])
def test_the_projects_own_tests_are_run(trained: Any, expected: str, outcome: str) -> None:
    folder = trained.project / "tests" / "behaviour"
    folder.mkdir(parents=True)
    (folder / "test_it.py").write_text(TESTS.replace("EXPECTED", expected))
    trained.edit("min = 0.6", 'min = 0.6\nbehaviour = "tests/behaviour"')
    found = _checks(trained)
    assert found["verdict"].outcome == outcome
    assert found["behaviour"].outcome == outcome
    if outcome == "fail":
        assert "test_of_what_is_not_so" in str(found["behaviour"].to_dict())


@pytest.mark.parametrize("text", [None, "", "import pytest\npytest.skip(allow_module_level=True)"])
def test_tests_that_were_not_run_are_no_verdict(trained: Any, text: str | None) -> None:
    if text is not None:
        (trained.project / "tests" / "none").mkdir(parents=True)
        (trained.project / "tests" / "none" / "test_it.py").write_text(text)
    trained.edit("min = 0.6", 'min = 0.6\nbehaviour = "tests/none"')
    with pytest.raises(GateError) as error:
        gate_now(trained.container, "tiny", 3)
    assert error.value.code == "gate.behaviour"
    assert trained.container.ask(trained.container.store.verdicts.latest, "tiny", 3) is None


@pytest.mark.parametrize(
    ("setting", "name"),
    [("min = 0.99", "metric.min"), ('max_size = "1KiB"', "size"),
     ('max_latency_p99 = "1ms"\nmin = 0.999', "metric.min")],
)  # fmt: skip
def test_what_is_too_bad_or_too_large_fails(trained: Any, setting: str, name: str) -> None:
    trained.edit("min = 0.6", setting)
    found = _checks(trained)
    assert found["verdict"].outcome == "fail"
    assert found[name].outcome == "fail"
    (_, _, event) = trained.events("gate.judged")
    assert event.body["sentence"].startswith("version 3: fail;")


def test_against_a_champion_that_is_the_same(live: Any) -> None:
    verdict = gate_now(live.container, "tiny", 2)
    assert (verdict.outcome, verdict.champion, verdict.disagreement) == ("pass", 1, 0.0)
    again = gate_now(live.container, "tiny", 2)
    assert again.id == verdict.id
    assert len(live.events("gate.judged")) == 3, "the same question at the same time is one"


def test_versions_of_one_bundle_are_judged_each(trained: Any) -> None:
    verdicts = trained.container.store.verdicts
    found = {n: trained.container.ask(verdicts.latest, "tiny", n) for n in (1, 2)}
    assert found[1].id != found[2].id


def test_the_newest_by_default_and_unknown_ones(trained: Any) -> None:
    assert gate_now(trained.container, "tiny").version == 3
    with pytest.raises(NotFoundError):
        gate_now(trained.container, "tiny", 7)


def test_as_a_job(trained: Any) -> None:
    job = Job(
        id="j", key="k", kind="gate", model="tiny", state=JobState.RUNNING,
        payload={"version": 3}, created_at=trained.clock.now(),
    )  # fmt: skip
    result = run_gate(trained.container, job)
    assert result["sentence"].startswith("version 3: pass")
