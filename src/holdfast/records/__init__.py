"""The immutable facts of the loop, one file per noun."""

from holdfast.records.arming import Armed, Arming
from holdfast.records.base import Record, digest, learn
from holdfast.records.bundle import Artefact, BundleManifest, RecordPolicy
from holdfast.records.dataset import Breach, ColumnContract, Contract, DataFile, DatasetVersion
from holdfast.records.decision import Action, Decision
from holdfast.records.event import Event
from holdfast.records.finding import Finding, FindingKind
from holdfast.records.incident import Cause, Causes, Incident
from holdfast.records.job import Job, JobState
from holdfast.records.notification import (
    Fact,
    Notification,
    NotificationEvent,
    NotificationState,
    Severity,
    notification_id,
)
from holdfast.records.prediction import Label, PredictionBatch, Role
from holdfast.records.release import Evidence, Release, ReleaseState, Step, Transition
from holdfast.records.route import Arm, Route, ServerReport
from holdfast.records.run import CodeVersion, Metric, Run
from holdfast.records.signature import ColumnType, Field, Signature
from holdfast.records.spell import Spell, joined
from holdfast.records.summary import (
    Between,
    Bins,
    ColumnSummary,
    HeldOutDay,
    History,
    Joint,
    Reference,
    Sample,
    Season,
    SliceDays,
    Space,
    Summary,
    Thirds,
    View,
)
from holdfast.records.verdict import Check, Outcome, Verdict
from holdfast.records.version import Version

__all__ = [
    "Action", "Arm", "Armed", "Arming", "Artefact", "Between", "Bins", "Breach", "BundleManifest",
    "Cause", "Causes", "Check", "CodeVersion", "ColumnContract", "ColumnSummary", "ColumnType",
    "Contract", "DataFile", "DatasetVersion", "Decision", "Event", "Evidence", "Fact", "Field",
    "Finding", "FindingKind", "HeldOutDay", "History", "Incident", "Job", "JobState", "Joint",
    "Label", "Metric", "Notification", "NotificationEvent", "NotificationState", "Outcome",
    "PredictionBatch", "Record", "RecordPolicy", "Reference", "Release", "ReleaseState", "Role",
    "Route", "Run", "Sample", "Season", "ServerReport", "Severity", "Signature", "SliceDays",
    "Space", "Spell", "Step", "Summary", "Thirds", "Transition", "Verdict", "Version", "View",
    "digest", "joined", "notification_id",
]  # fmt: skip

learn()
