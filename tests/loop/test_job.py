"""Jobs as processes: killed at each checkpoint, claimed by two at once, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from holdfast.errors import UserCodeError
from holdfast.loop.job import claim
from holdfast.loop.jobs import ATTEMPTS, LocalRunner, finish, is_alive
from holdfast.loop.pipeline import train_now
from holdfast.loop.triggers import ask_for_training
from holdfast.records import Job, JobState


def _get(home: Any, job: Job) -> Job:
    return home.container.ask(home.container.store.jobs.get, job.id)


def _start(home: Any, job: Job, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "holdfast.loop.job", job.id],
        env={**home.environment, **home.container.settings.environment(), **environment},
        cwd=home.project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _until(
    wait: Callable[..., Any], home: Any, job: Job, step: str, process: subprocess.Popen[bytes]
) -> None:
    wait(lambda: _get(home, job).step == step or process.poll() is not None, 60)


def _gate_job(home: Any, number: int = 3) -> Job:
    store = home.container.store
    with store.begin() as tx:
        return store.jobs.enqueue(
            tx, f"gate:tiny:{number}", "gate", "tiny", {"version": number}, home.clock.now()
        )


def test_a_training_killed_at_each_checkpoint_makes_one_version(live: Any) -> None:
    job = ask_for_training(live.container, "tiny", "ana", "new data")
    assert ask_for_training(live.container, "tiny", "bob", "me too") == job
    seen: dict[str, dict[str, Any]] = {}
    for step in ("cut", "dataset", "fitted"):
        # What earlier attempts have done is not noted again: each dies after its first new step.
        assert _start(live, job, HOLDFAST_FAULT="job.step.after").wait(90) == -signal.SIGKILL
        now = _get(live, job)
        assert (now.state, now.step) == (JobState.RUNNING, step)
        assert not is_alive(now)
        seen[now.step] = now.progress
        live.later(hours=1)  # what is known later must not change what this job is about
    assert _start(live, job).wait(90) == 0
    done = _get(live, job)
    assert done.state == JobState.DONE, done.result
    assert done.attempt == 4
    assert done.result["version"] == 4
    for progress in seen.values():
        assert {**done.progress, **progress} == done.progress
    registry = live.container.registry
    made = [version for version in registry.versions("tiny") if version.job == job.id]
    assert [version.number for version in made] == [4]
    assert made[0].parent == 1
    assert made[0].dataset == done.progress["dataset"]
    registered = [e for e in live.events("version.registered") if e.body["version"]["number"] == 4]
    assert len(registered) == 1
    # Once more, as after a crash before the end was noted: nothing happens twice.
    assert _start(live, job).wait(60) == 0
    assert _get(live, job) == done


def test_two_processes_claim_one_job_and_one_works(trained: Any) -> None:
    job = _gate_job(trained)
    both = [_start(trained, job) for _ in range(2)]
    assert [process.wait(90) for process in both] == [0, 0]
    done = _get(trained, job)
    assert (done.state, done.attempt) == (JobState.DONE, 1), done.result
    assert len(trained.events("job.done")) == 2  # of the training before, and this one
    judged = trained.events("gate.judged")
    assert [e.body["verdict"]["version"] for e in judged] == [1, 2, 3]


def test_threads_that_claim_at_once_get_it_once(trained: Any) -> None:
    job = _gate_job(trained)
    start, got = threading.Barrier(4), []

    def run() -> None:
        container = trained.open()
        start.wait()
        got.append(claim(container, job.id))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [job for job in got if job is not None]
    assert [(job.attempt, job.pid) for job in taken] == [(1, os.getpid())]


def test_a_process_that_dies_again_and_again_is_given_up(
    trained: Any, wait: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that cannot even claim its job, such as with a broken installation."""
    job = _gate_job(trained)
    monkeypatch.setenv("PYTHONPATH", str(trained.project))
    (trained.project / "sitecustomize.py").write_text("import os\nos._exit(3)\n")
    runner = LocalRunner(trained.container)

    def passes() -> bool:
        runner.tick()
        return _get(trained, job).state == JobState.FAILED

    wait(passes, 60)
    failed = _get(trained, job)
    assert failed.attempt == 0
    assert failed.result["error"]["code"] == "job.died"
    assert str(ATTEMPTS) in failed.result["error"]["message"]
    runner.tick()
    assert len(trained.events("job.failed")) == 1


def test_a_job_whose_process_died_is_done_by_the_next_runner(
    trained: Any, wait: Callable[..., Any]
) -> None:
    job = _gate_job(trained)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    started = psutil.Process(gone.pid).create_time()
    gone.wait()
    with trained.container.store.begin() as tx:
        trained.container.store.jobs.take(tx, job.id, gone.pid, started)
    runner = LocalRunner(trained.container)

    def passes() -> bool:
        runner.tick()
        return _get(trained, job).state == JobState.DONE and not runner._started

    wait(passes, 60)
    assert _get(trained, job).attempt == 2


def test_an_attempt_that_was_given_up_does_not_end_the_job(trained: Any) -> None:
    job = _gate_job(trained)
    with trained.container.store.begin() as tx:
        first = trained.container.store.jobs.take(tx, job.id, 1, 0.0)
        second = trained.container.store.jobs.take(tx, job.id, 2, 0.0)
    finish(trained.container, first, {"error": {"message": "late"}}, JobState.FAILED)
    assert _get(trained, job) == second
    finish(trained.container, second, {"sentence": "well"}, JobState.DONE)
    assert _get(trained, job).state == JobState.DONE


def test_a_training_with_its_lineage(untrained: Any) -> None:
    """From nothing, in the foreground; then code that fails, and a person who stops it."""
    told: list[str] = []
    version = train_now(untrained.container, tell=told.append)
    assert (version.number, version.parent) == (1, None)
    assert told[0] == "reading the data"
    assert version.metrics[0].name == "roc_auc"
    assert version.metrics[0].low < version.metrics[0].value < version.metrics[0].high
    container = untrained.container
    (event,) = untrained.events("version.registered")
    assert event.body["version"]["dataset"] == version.dataset
    known = container.ask(container.store.versions.find, "tiny", 1)
    assert known == version == container.registry.version("tiny", 1)
    (job,) = container.ask(container.store.jobs.recent, "tiny")
    assert (job.id, job.state) == (version.job, JobState.DONE)
    dataset = container.ask(container.store.datasets.get, version.dataset)
    assert dataset.rows == 1987  # those whose label, six hours later, is known

    (untrained.project / "tiny.py").write_text("def load(): return 1 / 0\ndef train(rows): ...\n")
    untrained.later(minutes=1)
    with pytest.raises(UserCodeError) as error:
        train_now(container)
    assert "ZeroDivisionError" in error.value.message
    failed = container.ask(container.store.jobs.recent, "tiny", 1)[0]
    assert (failed.state, failed.result["error"]["code"]) == (JobState.FAILED, error.value.code)

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_now(container, tell=stop)
    assert container.ask(container.store.jobs.active) == ()


def test_rows_from_a_file_need_one_process_of_the_project(untrained: Any) -> None:
    """Which imports it while the run is made; what is wrong with it is said of the run."""
    code = (untrained.project / "tiny.py").read_text()
    rows = untrained.project / "rows.csv"
    made: dict[str, Any] = {}
    exec(code, made)
    made["load"]().to_csv(rows, index=False)
    spec = untrained.project / "holdfast.toml"
    spec.write_text(spec.read_text().replace('"tiny:load"', '"rows.csv"'))
    note = "import os\nprint('IMPORTED', os.getpid())\n"
    (untrained.project / "tiny.py").write_text(note + code)
    version = train_now(untrained.container)
    log = (untrained.container.settings.home / "jobs" / version.job / "train.log").read_text()
    assert log.count("IMPORTED") == 1

    (untrained.project / "tiny.py").write_text("1 / 0\n")
    untrained.later(minutes=1)
    with pytest.raises(UserCodeError, match="ZeroDivisionError"):
        train_now(untrained.container)
    with untrained.container.registry._client.calls() as client:
        runs = client.search_runs([client.get_run(version.run).info.experiment_id])
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]
