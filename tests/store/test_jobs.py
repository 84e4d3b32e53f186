import threading
from collections.abc import Callable
from datetime import datetime

import pytest

from holdfast.errors import ConflictError, NotFoundError
from holdfast.records import Job, JobState
from holdfast.store.store import Store

At = Callable[[float], datetime]


def enqueue(store: Store, at: At, key: str = "k", kind: str = "train", seconds: float = 0) -> Job:
    with store.begin() as tx:
        return store.jobs.enqueue(tx, key, kind, "churn", {"why": "drift"}, at(seconds))


def running(store: Store, at: At) -> Job:
    enqueue(store, at)
    with store.begin() as tx:
        job = store.jobs.claim(tx)
        assert job is not None
        return store.jobs.start(tx, job.id, 123, 1.5)


def test_the_same_key_is_the_same_job(store: Store, at: At) -> None:
    first = enqueue(store, at)
    assert enqueue(store, at, seconds=9) == first
    assert enqueue(store, at, key="other").id != first.id


def test_of_many_who_race_to_enqueue_one_job_comes(store: Store, at: At) -> None:
    barrier, ids = threading.Barrier(5), []

    def race() -> None:
        barrier.wait()
        ids.append(enqueue(store, at).id)

    threads = [threading.Thread(target=race) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 5
    assert len(set(ids)) == 1


def test_of_many_who_race_to_claim_each_gets_another(store: Store, at: At) -> None:
    for i in range(4):
        enqueue(store, at, key=str(i), seconds=i)
    barrier, claimed = threading.Barrier(5), []

    def race() -> None:
        barrier.wait()
        with store.begin() as tx:
            claimed.append(store.jobs.claim(tx))

    threads = [threading.Thread(target=race) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job.key for job in claimed if job) == ["0", "1", "2", "3"]
    assert claimed.count(None) == 1


def test_the_oldest_of_the_wanted_kind_is_claimed(store: Store, at: At) -> None:
    enqueue(store, at, key="gate", kind="gate", seconds=1)
    enqueue(store, at, key="late", seconds=3)
    enqueue(store, at, key="early", seconds=2)
    with store.begin() as tx:
        keys = [job and job.key for job in (store.jobs.claim(tx, ["train"]) for _ in range(3))]
        assert keys == ["early", "late", None]
        rest = store.jobs.claim(tx)
    assert rest is not None
    assert (rest.key, rest.attempt, rest.state) == ("gate", 1, JobState.RUNNING)


def test_a_job_runs_to_its_end(store: Store, at: At) -> None:
    job = running(store, at)
    assert (job.pid, job.pid_started, job.attempt) == (123, 1.5, 1)
    with store.begin() as tx:
        store.jobs.checkpoint(tx, job.id, "fit", {"rows": 10}, attempt=1)
        assert [j.step for j in store.jobs.active(tx, "churn")] == ["fit"]
        assert store.jobs.active(tx, "fraud") == ()
        done = store.jobs.finish(tx, job.id, {"version": 3}, at(9), attempt=1)
        assert store.jobs.finish(tx, job.id, {"version": 4}, at(10)) == done
        assert store.jobs.active(tx) == ()
        assert store.jobs.recent(tx) == (done,)
    assert (done.state, done.result, done.finished_at) == (JobState.DONE, {"version": 3}, at(9))


def test_a_dead_job_goes_on_after_its_last_step(store: Store, at: At) -> None:
    job = running(store, at)
    with store.begin() as tx:
        store.jobs.checkpoint(tx, job.id, "fit", {"rows": 10})
        again = store.jobs.requeue(tx, job.id)
        assert (again.state, again.step, again.pid) == (JobState.QUEUED, "fit", None)
        second = store.jobs.claim(tx)
    assert second is not None
    assert (second.id, second.attempt, second.progress) == (job.id, 2, {"rows": 10})


def test_an_attempt_that_was_given_up_is_refused(store: Store, at: At) -> None:
    job = running(store, at)
    with store.begin() as tx:
        store.jobs.requeue(tx, job.id)
        store.jobs.claim(tx)
    writes: list[Callable[..., Job]] = [
        lambda tx: store.jobs.checkpoint(tx, job.id, "x", {}, attempt=1),
        lambda tx: store.jobs.finish(tx, job.id, {}, at(1), attempt=1),
        lambda tx: store.jobs.fail(tx, job.id, {}, at(1), attempt=1),
    ]
    for write in writes:
        with pytest.raises(ConflictError) as caught, store.begin() as tx:
            write(tx)
        assert caught.value.code == "job.stale"


def test_what_does_not_fit_the_state_is_refused(store: Store, at: At) -> None:
    job = enqueue(store, at)
    with store.begin() as tx:
        for write in (
            lambda: store.jobs.start(tx, job.id, 1, 1.0),
            lambda: store.jobs.checkpoint(tx, job.id, "x", {}),
            lambda: store.jobs.finish(tx, job.id, {}, at(1)),
            lambda: store.jobs.requeue(tx, job.id),
        ):
            with pytest.raises(ConflictError):
                write()
        store.jobs.claim(tx)
        failed = store.jobs.fail(tx, job.id, {"code": "x"}, at(1))
        assert failed.state == JobState.FAILED
        with pytest.raises(ConflictError):
            store.jobs.finish(tx, job.id, {}, at(2))
        with pytest.raises(NotFoundError):
            store.jobs.get(tx, "job-0")
        assert store.jobs.get(tx, job.id) == failed


def test_a_process_takes_a_certain_job(store: Store, at: At) -> None:
    enqueue(store, at, key="older")
    wanted = enqueue(store, at, key="wanted", seconds=1)
    with store.begin() as tx:
        taken = store.jobs.take(tx, wanted.id, 7, 1.5)
        assert (taken.id, taken.state, taken.attempt) == (wanted.id, JobState.RUNNING, 1)
        store.jobs.checkpoint(tx, wanted.id, "fit", {}, attempt=1)
        again = store.jobs.take(tx, wanted.id, 8, 2.5)  # the first process is gone
        assert (again.attempt, again.pid, again.pid_started, again.step) == (2, 8, 2.5, "fit")
        with pytest.raises(ConflictError):
            store.jobs.finish(tx, wanted.id, {}, at(2), attempt=1)
        store.jobs.finish(tx, wanted.id, {}, at(2), attempt=2)
        with pytest.raises(ConflictError) as caught:
            store.jobs.take(tx, wanted.id, 9, 3.5)
        assert caught.value.code == "job.ended"


def test_a_queued_job_can_be_given_up_but_not_done(store: Store, at: At) -> None:
    job = enqueue(store, at)
    with store.begin() as tx:
        with pytest.raises(ConflictError):
            store.jobs.finish(tx, job.id, {}, at(1))
        with pytest.raises(ConflictError):  # a process that was given up does not end it
            store.jobs.fail(tx, job.id, {}, at(1), attempt=job.attempt)
        assert store.jobs.fail(tx, job.id, {"code": "x"}, at(1)).state == JobState.FAILED
        assert store.jobs.active(tx) == ()
