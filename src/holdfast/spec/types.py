"""The spec: what the user declares of one model in ``holdfast.toml``.

Each field carries its own documentation; the reference page is generated from here.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Task = Literal["binary", "multiclass", "regression"]
Strategy = Literal["direct", "shadow", "canary", "blue_green"]
Approval = Literal["none", "one", "two"]
Topic = Literal["page", "alert", "approval", "release"]
FairnessMeasure = Literal[
    "selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "loss"
]
Trigger = Literal["drift", "new_data", "code", "schedule", "webhook"]

USUAL_METRIC: dict[Task, str] = {
    "binary": "roc_auc",
    "multiclass": "accuracy",
    "regression": "neg_mean_absolute_error",
}
"""What is measured where nothing else is asked for."""

Fraction = Annotated[float, Meta(gt=0, lt=1)]
NonNegative = Annotated[float, Meta(ge=0)]
Target = Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
Share = Annotated[float, Meta(ge=0, le=1)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


def about(text: str) -> Meta:
    """A field's one-line documentation."""
    return Meta(description=text)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of ``holdfast.toml``."""


class Model(Section, frozen=True, kw_only=True):
    """``[model]``: the name, the task and the callable that trains it."""

    name: Annotated[Name, about("lower-case name in the registry, in URLs and on pages")]
    task: Annotated[Task, about("what is predicted: binary, multiclass or regression")]
    train: Annotated[
        Target, about("module:callable; takes a frame of features and label, returns an estimator")
    ]
    positive: Annotated[bool | int | str, about("the positive class, for binary")] = True
    frame: Annotated[
        Literal["pandas", "polars"], about("the kind of frame handed to the training callable")
    ] = "pandas"
    about: Annotated[
        str, about("what the model is for and what it must not be used for; shown on its card")
    ] = ""
    timeout: Annotated[timedelta, about("longest a training may take")] = timedelta(hours=1)
    memory: Annotated[str, about("most memory a training may take, such as 4GiB")] = "8GiB"
    code: Annotated[
        tuple[str, ...],
        about("globs of further files that are training code, such as queries/*.sql"),
    ] = ()


class Data(Section, frozen=True, kw_only=True):
    """``[data]``: where the rows come from and what the columns mean."""

    source: Annotated[
        str, about("glob of CSV or Parquet files, SQLAlchemy URL with a query, or module:callable")
    ]
    time: Annotated[str, about("column: the moment the prediction is made")]
    label: Annotated[str, about("column: what turned out to be true")]
    features: Annotated[
        tuple[str, ...], Meta(min_length=1), about("columns the model may use, in order")
    ]
    id: Annotated[str | None, about("column: the caller's own id, by which labels are joined")] = (
        None
    )
    label_time: Annotated[str | None, about("column: when the label became known")] = None
    label_delay: Annotated[
        timedelta, about("how long after the prediction its label is known, without label_time")
    ] = timedelta(0)
    query: Annotated[str | None, about("SQL query, when source is a database URL")] = None
    keep: Annotated[
        tuple[str, ...],
        about("further columns, for gate.fairness; the model never sees them"),
    ] = ()
    test: Annotated[Fraction, about("newest share of the rows, held out for the gate")] = 0.2


class Fairness(Section, frozen=True, kw_only=True):
    """One line of ``[gate] fairness``: how far apart groups may be."""

    column: Annotated[str, about("column whose values are the groups")]
    measure: Annotated[
        FairnessMeasure,
        about(
            "selection_rate (share answered positive), true_positive_rate, false_positive_rate, "
            "accuracy, or loss (bounded loss); the first three are for binary"
        ),
    ]
    max_gap: Annotated[Share, about("largest difference between any two groups")]


class Gate(Section, frozen=True, kw_only=True):
    """``[gate]``: what a version must show before it may be released."""

    metric: Annotated[
        str, about("scikit-learn's scorer name, greater is better; or module:callable of your own")
    ]
    better: Annotated[
        Literal["higher", "lower"] | None,
        about("must be said of a metric of your own; lower turns its sign, as neg_ says"),
    ] = None
    min: Annotated[float | None, about("floor of the metric; none by default")] = None
    margin: Annotated[
        NonNegative, about("non-inferiority margin against the champion, in units of the metric")
    ] = 0.01
    superior: Annotated[
        bool, about("the candidate must be shown to be better than the champion, not only no worse")
    ] = False
    alpha: Annotated[Fraction, about("rate of false promotions that is accepted")] = 0.05
    slices: Annotated[
        tuple[str, ...], about("columns whose values must each not become worse")
    ] = ()
    slice_margin: Annotated[
        NonNegative, about("how much worse the bounded loss of one slice may become")
    ] = 0.01
    fairness: Annotated[
        tuple[Fairness, ...], about("groups that must be treated alike, and how much alike")
    ] = ()
    max_calibration_error: Annotated[
        Fraction | None,
        about("how far probabilities may be from what happens (root mean square), such as 0.05"),
    ] = None
    max_alone: Annotated[
        Share,
        about("share of the label one feature may explain alone before it is taken for a leak"),
    ] = 0.9
    known: Annotated[
        tuple[str, ...],
        about("features that somebody has checked to be known in time: never taken for a leak"),
    ] = ()
    max_latency_p99: Annotated[
        timedelta | None, about("longest one-row prediction at the 99th percentile")
    ] = None
    max_size: Annotated[str | None, about("largest bundle, such as 200MiB")] = None
    behaviour: Annotated[str | None, about("folder of behavioural pytest checks")] = None

    @property
    def own(self) -> bool:
        """Whether the metric is a callable of the project."""
        return ":" in self.metric

    @property
    def measured(self) -> str:
        """The metric's name where greater is better: ``neg_costs:each`` when lower was."""
        return f"neg_{self.metric}" if self.better == "lower" else self.metric


class Release(Section, frozen=True, kw_only=True):
    """``[release]``: how a version that passed goes live."""

    strategy: Annotated[Strategy, about("direct, shadow, canary or blue_green")] = "canary"
    steps: Annotated[
        tuple[Fraction, ...], about("share of traffic at each canary step, growing")
    ] = (0.05, 0.25, 0.5)
    watch: Annotated[
        timedelta, about("how long a promoted version may still be rolled back by itself")
    ] = timedelta(days=7)
    approval: Annotated[Approval, about("how many people must agree before it starts")] = "none"
    automatic: Annotated[
        bool, about("release a version that the loop retrained as soon as it passes")
    ] = True
    alias_moves: Annotated[
        Literal["obey", "revert"],
        about("what to do when somebody moves the alias champion with plain MLflow"),
    ] = "obey"
    max_step: Annotated[timedelta, about("longest a step may wait for evidence")] = timedelta(
        days=3
    )
    on_inconclusive: Annotated[
        Literal["abort", "hold"],
        about("what then: the champion takes all traffic again, or the step waits on"),
    ] = "abort"
    slower: Annotated[
        Annotated[float, Meta(ge=1)],
        about("how many times the champion's latency a version may take without being stopped"),
    ] = 1.5
    freeze: Annotated[
        tuple[str, ...],
        about("when nothing goes forward, such as 'fri 16:00 - mon 08:00 Europe/Berlin'"),
    ] = ()


class Monitor(Section, frozen=True, kw_only=True):
    """``[monitor]``: when the loop must speak up."""

    slices: Annotated[
        tuple[str, ...], about("columns whose values are watched one by one, for drift too")
    ] = ()
    metrics: Annotated[
        tuple[str, ...], about("further metrics to measure in each block, beside the gate's")
    ] = ()
    pages_per_month: Annotated[
        Annotated[float, Meta(gt=0)], about("budget of false pages, for the whole model")
    ] = 1.0
    tolerance: Annotated[
        NonNegative, about("loss of quality that matters, in bounded loss (Brier for classes)")
    ] = 0.02
    block: Annotated[timedelta, about("length of one look at the inputs")] = timedelta(days=1)
    minimum: Annotated[
        int, Meta(ge=30), about("fewest rows of a look; below it the answer is 'not enough data'")
    ] = 200


class Retrain(Section, frozen=True, kw_only=True):
    """``[retrain]``: when the loop trains again, and how often at most."""

    on: Annotated[tuple[Trigger, ...], about("what may trigger it")] = ("drift",)
    schedule: Annotated[str | None, about("cron expression of five fields, with on = schedule")] = (
        None
    )
    timezone: Annotated[str, about("IANA zone in which the schedule is meant")] = "UTC"
    new_data: Annotated[
        str,
        about("with on = new_data, how much is enough: 20% or 5000 rows of labels, or 1 file"),
    ] = "20%"
    cooldown: Annotated[timedelta, about("shortest time between two retrainings")] = timedelta(
        days=1
    )
    window: Annotated[timedelta | None, about("how far back the training rows reach")] = None
    persistence: Annotated[
        int,
        Meta(ge=1),
        about("looks in a row that a fall of quality or drift must last before it retrains"),
    ] = 2
    per_month: Annotated[int, Meta(ge=0), about("most retrainings in thirty days")] = 8


class Serve(Section, frozen=True, kw_only=True):
    """``[serve]``: the data plane on this machine."""

    host: Annotated[str, about("address; off loopback a token is required")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535), about("public port of predictions")] = 8080
    metrics_port: Annotated[int, Meta(ge=0, le=65535), about("port of /metrics")] = 8081
    grpc_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None, about("port of gRPC; none without")
    ] = None
    workers: Annotated[int, Meta(ge=1), about("server processes on one listening socket")] = 1
    memory: Annotated[
        str, about("most memory the models may take, such as 4GiB; empty: no limit")
    ] = ""
    spool_limit: Annotated[str, about("most disk the spool may take, such as 1GiB")] = "1GiB"
    spool_full: Annotated[
        Literal["answer", "refuse"], about("what to do when a prediction cannot be recorded")
    ] = "answer"
    fsync: Annotated[
        str, about("most that a loss of power may cost, such as 50ms; or always, for nothing")
    ] = "50ms"


class Recording(Section, frozen=True, kw_only=True):
    """``[record]``: what is written down of inputs; sealed into each version trained with it."""

    redact: Annotated[
        dict[str, Literal["hash", "drop"]],
        about("column: record a keyed hash of its values, or nothing of them"),
    ] = {}
    sample: Annotated[Share, about("share of large requests whose inputs are recorded")] = 1.0
    sample_above: Annotated[
        str, about("inputs larger than this make a request a large one, such as 64KiB")
    ] = "64KiB"


class Notify(Section, frozen=True, kw_only=True):
    """``[[notify]]``: one channel that tells people; repeat the table for more."""

    kind: Annotated[Name, about("webhook, slack, email, pagerduty, github, or one of a plug-in")]
    name: Annotated[Name | None, about("name of the channel; its kind by default")] = None
    on: Annotated[
        tuple[Topic, ...],
        Meta(min_length=1),
        about("what it tells: incidents that page or only alert, approvals, releases that ended"),
    ] = ("page", "approval", "release")
    url: Annotated[str | None, about("where it is sent; of Slack it is a secret")] = None
    secret: Annotated[str | None, about("$VARIABLE: signs a webhook, as whsec_ and base64")] = None
    key: Annotated[str | None, about("$VARIABLE: PagerDuty's integration key")] = None
    token: Annotated[str | None, about("$VARIABLE: GitHub's token, to read and write issues")] = (
        None
    )
    repository: Annotated[str | None, about("owner/name on GitHub")] = None
    issue: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        about("comment on this issue; otherwise one is opened a story"),
    ] = None
    host: Annotated[str | None, about("mail server")] = None
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        about("its port; 587, 465 with tls, 25 with none"),
    ] = None
    security: Annotated[
        Literal["starttls", "tls", "none"], about("how the mail server is spoken to")
    ] = "starttls"
    user: Annotated[str | None, about("login at the mail server")] = None
    password: Annotated[str | None, about("$VARIABLE: password at the mail server")] = None
    sender: Annotated[str | None, about("address the mail comes from")] = None
    to: Annotated[tuple[str, ...], about("addresses the mail goes to")] = ()
    ca: Annotated[
        str | None, about("PEM file of the authority to trust, when it is not a public one")
    ] = None
    timeout: Annotated[timedelta, about("longest that one attempt may take, at most 30s")] = (
        timedelta(seconds=10)
    )
    give_up: Annotated[timedelta, about("how long delivery is tried")] = timedelta(days=1)

    @property
    def channel(self) -> str:
        """The name, or else the kind."""
        return self.name or self.kind


class Spec(Section, frozen=True, kw_only=True):
    """One model, declared. ``root`` is the folder of the file; paths are relative to it."""

    model: Model
    data: Data
    gate: Gate
    release: Release = msgspec.field(default_factory=Release)
    monitor: Monitor = msgspec.field(default_factory=Monitor)
    retrain: Retrain = msgspec.field(default_factory=Retrain)
    serve: Serve = msgspec.field(default_factory=Serve)
    record: Recording = msgspec.field(default_factory=Recording)
    notify: tuple[Notify, ...] = ()
    root: Path = Path()

    @property
    def watched(self) -> str:
        """The metric of the answers to real traffic: the gate's, unless it is the project's own.

        That would need the project's code where none may run.
        """
        return USUAL_METRIC[self.model.task] if self.gate.own else self.gate.metric
