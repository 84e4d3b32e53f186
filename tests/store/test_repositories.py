"""The repositories that only write and read back."""

from collections.abc import Callable
from datetime import datetime

import msgspec
import pytest

from holdfast.errors import ConflictError, NotFoundError, SpecError
from holdfast.records import (
    CodeVersion,
    DatasetVersion,
    Decision,
    Finding,
    Incident,
    ServerReport,
    Verdict,
    Version,
)
from holdfast.store.models import ModelEntry
from holdfast.store.store import Store

At = Callable[[float], datetime]

SPEC = """
[model]
name = "churn"
task = "binary"
train = "churn:train"
[data]
source = "*.csv"
time = "t"
label = "y"
features = ["x"]
[gate]
metric = "roc_auc"
"""


def test_models(store: Store, at: At) -> None:
    entry = ModelEntry(name="new", root="/projects/new", text=SPEC, added_at=at(0))
    with store.begin() as tx:
        store.models.save(tx, entry)
        assert store.models.get(tx, "new") == entry
        assert [found.name for found in store.models.list(tx)] == ["churn", "fraud", "new"]
        assert store.models.pause(tx, "new").paused
        assert store.models.get(tx, "new").paused
        assert not store.models.pause(tx, "new", paused=False).paused
        assert store.models.get(tx, "new").champion is None
        store.models.save(tx, msgspec.structs.replace(entry, champion=3))
        assert store.models.get(tx, "new").champion == 3
        assert store.models.find(tx, "none") is None
        with pytest.raises(NotFoundError):
            store.models.pause(tx, "none")
    assert entry.spec().model.name == "churn"
    assert str(entry.spec().root) == "/projects/new"
    with pytest.raises(SpecError, match=r"/projects/new/holdfast\.toml"):
        msgspec.structs.replace(entry, text="[model").spec()


def test_datasets_are_written_once(store: Store, at: At) -> None:
    dataset = DatasetVersion(
        id="sha256:a", model="churn", source="*.csv", files=(), schema=(), rows=3,
        start=at(0), end=at(1), created_at=at(2),
    )  # fmt: skip
    with store.begin() as tx:
        assert store.datasets.add(tx, dataset)
        assert not store.datasets.add(tx, msgspec.structs.replace(dataset, source="other"))
        assert store.datasets.get(tx, "sha256:a") == dataset
        assert store.datasets.list(tx, "churn") == (dataset,)
        assert store.datasets.list(tx, "fraud") == ()
        with pytest.raises(NotFoundError):
            store.datasets.get(tx, "sha256:b")


def test_versions_are_a_copy_that_follows(store: Store, at: At) -> None:
    def make(number: int, note: str = "") -> Version:
        return Version(
            model="churn", number=number, run="r", bundle="b", bundle_path="/b", dataset="d",
            code=CodeVersion(digest="c"), lock="l", task="binary", metrics=(), created_at=at(0),
            data_start=at(0), data_end=at(1), predictor_note=note,
        )  # fmt: skip

    with store.begin() as tx:
        for version in (make(1), make(2), make(1, "changed")):
            store.versions.save(tx, version)
        assert store.versions.get(tx, "churn", 1) == make(1, "changed")
        assert [version.number for version in store.versions.list(tx, "churn")] == [2, 1]
        assert store.versions.find(tx, "fraud", 1) is None
        with pytest.raises(NotFoundError):
            store.versions.get(tx, "churn", 3)


def test_verdicts(store: Store, at: At) -> None:
    def make(name: str, version: int, seconds: float) -> Verdict:
        return Verdict(
            id=name, model="churn", version=version, champion=None, outcome="pass", checks=(),
            rows=5, created_at=at(seconds),
        )  # fmt: skip

    a, b, c = make("a", 1, 0), make("b", 1, 1), make("c", 2, 2)
    with store.begin() as tx:
        assert [store.verdicts.add(tx, verdict) for verdict in (a, b, c, a)] == [1, 1, 1, 0]
        assert store.verdicts.find(tx, "a") == a
        assert store.verdicts.find(tx, "z") is None
        assert store.verdicts.latest(tx, "churn", 1) == b
        assert store.verdicts.latest(tx, "churn", 3) is None
        assert store.verdicts.list(tx, "churn") == (c, b, a)


def test_servers(store: Store, at: At) -> None:
    def make(name: str, seconds: float, **epochs: int) -> ServerReport:
        return ServerReport(server=name, url="http://x", pid=1, epochs=epochs, at=at(seconds))

    with store.begin() as tx:
        for report in (make("a", 0, churn=1), make("b", 5, churn=2), make("c", 6, fraud=1)):
            store.servers.report(tx, report)
        store.servers.report(tx, make("b", 4, churn=1))  # overtaken on the way
        assert [report.server for report in store.servers.list(tx)] == ["a", "b", "c"]
        assert [report.server for report in store.servers.list(tx, since=at(1))] == ["b", "c"]
        assert store.servers.behind(tx, "churn", 2, at(1)) == ()
        assert store.servers.behind(tx, "churn", 3, at(1)) == (make("b", 5, churn=2),)
        store.servers.forget(tx, "b")
        assert [report.server for report in store.servers.list(tx)] == ["a", "c"]


def test_findings_are_found_once(store: Store, at: At) -> None:
    def make(name: str, seconds: float, version: int = 1, kind: str = "input_drift") -> Finding:
        return Finding(
            id=name, model="churn", version=version, kind=kind, subject="x", pages=False,
            since=at(0), at=at(seconds), sentence="…",
        )  # fmt: skip

    a, b, c = make("a", 0), make("b", 1, version=2), make("c", 2, kind="silence")
    with store.begin() as tx:
        assert [store.findings.add(tx, finding) for finding in (a, b, c, a)] == [1, 1, 1, 0]
        assert store.findings.find(tx, "b") == b
        assert store.findings.list(tx) == (c, b, a)
        assert store.findings.list(tx, "fraud") == ()
        assert store.findings.list(tx, "churn", version=2) == (b,)
        assert store.findings.list(tx, kinds=["silence"]) == (c,)
        assert store.findings.list(tx, since=at(1), limit=1) == (c,)


def test_decisions_are_made_once(store: Store, at: At) -> None:
    def make(name: str, seconds: float, action: str = "retrain") -> Decision:
        return Decision(
            id=name, model="churn", version=1, action=action, trigger="drift", reason="…",
            at=at(seconds),
        )  # fmt: skip

    a, b = make("a", 0), make("b", 1, "alert")
    with store.begin() as tx:
        assert [store.decisions.add(tx, decision) for decision in (a, b, a)] == [1, 1, 0]
        assert store.decisions.find(tx, "a") == a
        assert store.decisions.list(tx, "churn") == (b, a)
        assert store.decisions.list(tx, actions=["retrain"]) == (a,)
        assert store.decisions.list(tx, since=at(1)) == (b,)


def test_incidents(store: Store, at: At) -> None:
    first = Incident(id="a", model="churn", version=1, state="open", title="Worse", opened_at=at(0))
    second = msgspec.structs.replace(first, id="b", opened_at=at(1))
    with store.begin() as tx:
        store.incidents.save(tx, first)
        store.incidents.save(tx, second)
        assert store.incidents.list(tx, "churn") == (second, first)
        closed = msgspec.structs.replace(first, state="closed", closed_at=at(2))
        store.incidents.save(tx, closed)
        assert store.incidents.get(tx, "a") == closed
        assert store.incidents.list(tx, open_only=True) == (second,)
        with pytest.raises(NotFoundError):
            store.incidents.get(tx, "z")


def test_looks(store: Store, at: At) -> None:
    with store.begin() as tx:
        assert store.looks.latest(tx, "churn") is None
        assert store.looks.history(tx, "churn") == ()
        store.looks.save(tx, "churn", 1, at(0), at(1), b'{"rows":1}')
        store.looks.save(tx, "churn", 1, at(0), at(2), '{"rows":2,"größe":1}'.encode())
        assert store.looks.latest(tx, "churn") == '{"rows":2,"größe":1}'.encode()
        assert store.looks.times(tx) == (("churn", 1, at(0), at(2)),)


def test_a_version_that_was_live_twice_has_two_looks(store: Store, at: At) -> None:
    with store.begin() as tx:
        store.looks.save(tx, "churn", 1, at(4), at(5), b"3")
        store.looks.save(tx, "churn", 2, at(2), at(3), b"2")
        store.looks.save(tx, "churn", 1, at(0), at(6), b"1")
        assert store.looks.history(tx, "churn") == (b"1", b"2", b"3")
        assert store.looks.latest(tx, "churn") == b"3"
        assert store.looks.find(tx, "churn", 1, at(0)) == b"1"
        assert store.looks.find(tx, "churn", 2, at(0)) is None
        assert [one.at for one in store.looks.times(tx)] == [at(6), at(3), at(5)]


def test_the_fleet_knows_one_number_of_each_model(store: Store, at: At) -> None:
    with store.begin() as tx:
        assert store.fleet.beside(tx, "churn", at(0)) == ()
        store.fleet.save(tx, "churn", at(1), 0.5)
        store.fleet.save(tx, "churn", at(2), float("inf"))
        store.fleet.save(tx, "fraud", at(2), 0.25)
        assert store.fleet.beside(tx, "churn", at(2)) == (0.25,)
        assert store.fleet.beside(tx, "churn", at(3)) == (float("inf"),)  # too old
        assert store.fleet.beside(tx, "new", at(0)) == (0.25, float("inf"))
        store.fleet.save(tx, "fraud", at(3), None)  # nothing can be said of it any more
        assert store.fleet.beside(tx, "churn", at(0)) == ()


def test_times_without_zone_are_refused(store: Store) -> None:
    naive = datetime(2024, 1, 1)  # noqa: DTZ001
    with pytest.raises(Exception, match="no time zone"), store.begin() as tx:
        store.looks.save(tx, "churn", 1, naive, naive, b"{}")


def test_a_change_and_its_event_are_stored_together_or_not_at_all(store: Store, at: At) -> None:
    def change_and_fail() -> None:
        with store.begin() as tx:
            store.looks.save(tx, "churn", 1, at(0), at(0), b"{}")
            store.events.append(tx, at(0), "look", "churn", "loop", {})
            raise ConflictError("x", "y")

    with pytest.raises(ConflictError, match="y"):
        change_and_fail()
    with store.read() as tx:
        assert store.looks.latest(tx, "churn") is None
        assert store.events.list(tx) == ()
