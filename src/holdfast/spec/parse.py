"""``holdfast.toml`` to frozen types; every error names the path in the file."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from holdfast.errors import SpecError
from holdfast.spec.amount import parse_amount
from holdfast.spec.channels import channel_faults
from holdfast.spec.freeze import parse_window
from holdfast.spec.own_metric import metric_faults
from holdfast.spec.schedule import check_schedule, zone_of
from holdfast.spec.types import Section, Spec
from holdfast.spec.units import parse_duration, parse_size

FILE_NAME = "holdfast.toml"
OBJECT_STORES = ("s3://", "gs://", "az://")
# msgspec learns a class on first use, and two threads that make it learn the same at once crash the
# interpreter. While this module is imported there is only one.
msgspec.json.Decoder(Spec)
_SIZES = {"model.memory", "gate.max_size", "serve.spool_limit", "record.sample_above"}


def load_spec(path: str | Path) -> Spec:
    """Reads a project's spec.

    Args:
        path: the ``holdfast.toml``, or the folder that holds it.

    Raises:
        SpecError: when the file is missing, malformed, or says something that cannot be meant.
    """
    file = Path(path)
    if file.is_dir() or file.suffix != ".toml":
        file = file / FILE_NAME
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(
            "spec.missing",
            f"there is no {file}",
            "Run 'holdfast init' to make one, or name the project with --project PATH.",
        ) from None
    return parse_spec(text, file)


def parse_spec(text: str, file: Path = Path(FILE_NAME)) -> Spec:
    """Parses the text of a ``holdfast.toml``; ``file`` is named in errors and gives the root.

    Raises:
        SpecError: as :func:`load_spec`.
    """
    return make_spec(read_toml(text, file), file)


def read_toml(text: str, file: Path) -> dict[str, Any]:
    """The tables of a text; ``file`` is named in errors.

    Raises:
        SpecError: when it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(
            "spec.malformed", f"{file} is not valid TOML: {error}", "Mend the line it names."
        ) from None


def make_spec(raw: Mapping[str, Any], file: Path) -> Spec:
    """The spec that some tables declare; ``file`` is named in errors and gives the root.

    Raises:
        SpecError: as :func:`load_spec`.
    """
    _check(raw, Spec, "", file)
    converted = _durations(raw, Spec, "", file)
    try:
        spec = msgspec.convert(converted, Spec)
    except msgspec.ValidationError as error:
        raise _sentence(str(error), file) from None
    _check_meaning(spec, file)
    return msgspec.structs.replace(spec, root=file.parent.resolve())


def _check(raw: Mapping[str, Any], kind: type[Section], path: str, file: Path) -> None:
    """Refuses keys that do not exist, naming the nearest that does."""
    hints = _hints(kind)
    known = [name for name in hints if not (kind is Spec and name == "root")]
    for key, value in raw.items():
        where = f"{path}.{key}" if path else key
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            fix = f"Did you mean '{near[0]}'?" if near else f"Known here: {', '.join(known)}."
            raise SpecError("spec.unknown_key", f"{file}: there is no '{where}'", fix)
        for inner, table, place in _tables(hints[key], value, where):
            if not isinstance(table, Mapping):
                head = f"[{where}]" if place == where else f"[[{key}]]"
                raise SpecError(
                    "spec.wrong_type", f"{file}: '{place}' must be a table", f"Write {head}."
                )
            _check(table, inner, place, file)


def _tables(hint: Any, value: Any, where: str) -> Iterator[tuple[type[Section], Any, str]]:
    """The table that a key must be, or each table of a list of them, with its path."""
    inner = (get_args(hint) or (hint,))[0]
    if not (isinstance(inner, type) and issubclass(inner, Section)):
        return
    if inner is hint:
        yield inner, value, where
    elif isinstance(value, list):
        yield from ((inner, table, f"{where}[{n}]") for n, table in enumerate(value))
    else:
        yield inner, None, f"{where}[0]"


@cache
def _hints(kind: type[Section]) -> dict[str, Any]:
    """Types by key; to evaluate them anew for each of hundreds of models takes seconds."""
    return get_type_hints(kind)


def _durations(raw: Mapping[str, Any], kind: type[Section], path: str, file: Path) -> Any:
    """Copies the tables with durations parsed and sizes checked."""
    result: dict[str, Any] = {}
    for key, value in raw.items():
        where = f"{path}.{key}" if path else key
        hint = _hints(kind)[key]
        try:
            tables = [
                _durations(table, inner, place, file)
                for inner, table, place in _tables(hint, value, where)
            ]
            if tables:
                value = tables if isinstance(value, list) else tables[0]
            elif isinstance(value, str) and timedelta in (hint, *get_args(hint)):
                value = parse_duration(value)
            elif isinstance(value, str) and where in _SIZES:
                parse_size(value)
        except ValueError as error:
            raise SpecError("spec.wrong_value", f"{file}: '{where}': {error}") from None
        result[key] = value
    return result


def _sentence(text: str, file: Path) -> SpecError:
    message, _, path = text.partition(" - at `$.")
    where = path.rstrip("`")
    if "missing required field" in message:
        field = message.split("`")[1]
        where = f"{where}.{field}" if where else field
        message = f"'{where}' is missing"
        return SpecError("spec.missing_key", f"{file}: {message}", f"Add {where.split('.')[-1]}.")
    return SpecError("spec.wrong_type", f"{file}: '{where}': {message}", "Mend that value.")


def _check_meaning(spec: Spec, file: Path) -> None:
    """What types alone cannot say."""
    for where, message, fix in (
        *_feature_faults(spec),
        *_source_faults(spec),
        *_slice_faults(spec),
        *_fairness_faults(spec),
        *metric_faults(spec),
        *_policy_faults(spec),
        *_recording_faults(spec),
        *channel_faults(spec.notify),
    ):
        raise SpecError("spec.wrong_value", f"{file}: '{where}': {message}", fix)


Fault = tuple[str, str, str]


def _feature_faults(spec: Spec) -> Iterator[Fault]:
    data, features = spec.data, spec.data.features
    for name in sorted({name for name in features if features.count(name) > 1}):
        yield "data.features", f"'{name}' is listed twice", "List it once."
    for role in ("label", "id", "label_time"):
        column = getattr(data, role)
        if column is not None and column in features:
            yield (
                "data.features",
                f"'{column}' is the {role} and would leak into the model",
                "Take it out of features.",
            )


def _source_faults(spec: Spec) -> Iterator[Fault]:
    database = "://" in spec.data.source and not spec.data.source.startswith(OBJECT_STORES)
    if database and spec.data.query is None:
        yield "data.query", "a database source needs a query", 'Add query = "SELECT …".'
    if not database and spec.data.query is not None:
        yield "data.query", "only a database source takes a query", "Remove it."


def _slice_faults(spec: Spec) -> Iterator[Fault]:
    features = spec.data.features
    for section, names in (("gate", spec.gate.slices), ("monitor", spec.monitor.slices)):
        for name in names:
            if name not in features:
                near = difflib.get_close_matches(name, features, n=1)
                fix = f"Did you mean '{near[0]}'?" if near else "Slices are columns of features."
                yield f"{section}.slices", f"'{name}' is not a feature", fix


def _fairness_faults(spec: Spec) -> Iterator[Fault]:
    data, gate, task = spec.data, spec.gate, spec.model.task
    for name in data.keep:
        if name in (*data.features, data.label, data.time, data.id, data.label_time):
            yield "data.keep", f"'{name}' is read already", "Take it out of keep."
    columns = [*data.features, *data.keep]
    for line in gate.fairness:
        if line.column not in columns:
            near = difflib.get_close_matches(line.column, columns, n=1)
            fix = f"Did you mean '{near[0]}'?" if near else "Name it in [data] keep as well."
            yield "gate.fairness", f"'{line.column}' is neither a feature nor kept", fix
        fitting = ["loss"] if task == "regression" else ["accuracy", "loss"]
        if task != "binary" and line.measure not in fitting:
            fix = f"For {task}: {', '.join(fitting)}."
            yield "gate.fairness", f"{line.measure} is not for {task}", fix
    if gate.max_calibration_error is not None and task == "regression":
        yield "gate.max_calibration_error", "a regression answers no probabilities", "Remove it."
    for name in gate.known:
        if name not in data.features:
            near = difflib.get_close_matches(name, data.features, n=1)
            fix = f"Did you mean '{near[0]}'?" if near else "Only features can be taken for a leak."
            yield "gate.known", f"'{name}' is not a feature", fix


def _policy_faults(spec: Spec) -> Iterator[Fault]:
    if list(spec.release.steps) != sorted(set(spec.release.steps)):
        yield "release.steps", "the shares must grow", "Write them like [0.05, 0.25, 0.5]."
    for text in spec.release.freeze:
        try:
            parse_window(text)
        except ValueError as error:
            fix = "Write it like 'fri 16:00 - mon 08:00 Europe/Berlin'."
            yield "release.freeze", f"{error}", fix
    yield from _retrain_faults(spec)


def _retrain_faults(spec: Spec) -> Iterator[Fault]:
    policy = spec.retrain
    if "schedule" in policy.on and policy.schedule is None:
        yield "retrain.schedule", "on has 'schedule' but none is given", "Add a cron line."
    try:
        zone_of(policy.timezone)
    except ValueError as error:
        yield "retrain.timezone", f"{error}", "Write a name of the IANA time zone database."
    if policy.schedule is not None:
        try:
            check_schedule(policy.schedule)
        except ValueError as error:
            yield "retrain.schedule", f"{error}", "Write it like '0 3 * * 1': Mondays at three."
    try:
        amount = parse_amount(policy.new_data)
    except ValueError as error:
        yield "retrain.new_data", f"{error}", "Write a share, rows, or files."
    else:
        if amount.unit == "files" and not is_glob(spec.data.source):
            fix = "Count rows, or a share of them."
            yield "retrain.new_data", "only a source of local files can be counted in files", fix


def is_glob(source: str) -> bool:
    """Whether a source names files of this machine.

    >>> is_glob("rows/*.parquet"), is_glob("delays:load"), is_glob("s3://b/*.parquet")
    (True, False, False)
    """
    return ":" not in source


def _recording_faults(spec: Spec) -> Iterator[Fault]:
    if spec.serve.fsync != "always":
        fix = "Write a duration such as 50ms, or always."
        try:
            if not parse_duration(spec.serve.fsync):
                yield "serve.fsync", "no time at all is 'always'", fix
        except ValueError as error:
            yield "serve.fsync", f"{error}", fix
    columns = [*spec.data.features, *filter(None, [spec.data.id])]
    for name, how in spec.record.redact.items():
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=1)
            fix = f"Did you mean '{near[0]}'?" if near else "Only features and the id are recorded."
            yield "record.redact", f"'{name}' is neither a feature nor the id", fix
        if how == "drop" and name in spec.monitor.slices:
            yield (
                "record.redact",
                f"'{name}' is watched by slice, so it must be recorded",
                "Hash it instead, or take it out of monitor.slices.",
            )
