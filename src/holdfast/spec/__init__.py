"""``holdfast.toml`` as frozen types."""

from holdfast.spec.amount import Amount, parse_amount
from holdfast.spec.overlay import overlaid, read_policy
from holdfast.spec.parse import FILE_NAME, load_spec, parse_spec
from holdfast.spec.schedule import last_due
from holdfast.spec.types import (
    Data,
    Fairness,
    FairnessMeasure,
    Gate,
    Model,
    Monitor,
    Notify,
    Recording,
    Release,
    Retrain,
    Section,
    Serve,
    Spec,
    Task,
    Topic,
)  # fmt: skip
from holdfast.spec.units import format_duration, parse_duration, parse_size

__all__ = [
    "FILE_NAME", "Amount", "Data", "Fairness", "FairnessMeasure", "Gate", "Model", "Monitor",
    "Notify", "Recording", "Release", "Retrain", "Section", "Serve", "Spec", "Task", "Topic",
    "format_duration", "last_due", "load_spec", "overlaid", "parse_amount", "parse_duration",
    "parse_size", "parse_spec", "read_policy",
]  # fmt: skip
