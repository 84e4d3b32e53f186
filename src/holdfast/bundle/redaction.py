"""What of a request may be written down: named columns hashed or dropped, large inputs sampled.

Applied by the server before anything touches the disk, and to the held-out rows before the
reference is frozen, so that monitoring compares like with like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from holdfast.bundle.columns import Columns, Table, to_values
from holdfast.errors import BundleError
from holdfast.records.bundle import RecordPolicy
from holdfast.spec import Recording, parse_size

PREFIX = "hash:"
_PURPOSE = b"holdfast.record"
_encode = msgspec.msgpack.Encoder().encode

Values = Sequence[Any]


def policy_of(declared: Recording) -> RecordPolicy:
    """``[record]`` as it is sealed into a bundle; one that changes nothing is the default."""
    large = parse_size(declared.sample_above) if declared.sample < 1.0 else 0
    return RecordPolicy(redact=dict(declared.redact), sample=declared.sample, sample_above=large)


class Kept(NamedTuple):
    """What is recorded of a request's inputs.

    Args:
        names: as of :class:`~holdfast.records.PredictionBatch`, as are ``columns`` and ``block``.
        columns: plain values.
        ids: the caller's own ids.
        inputs: False when they were sampled away.
        block: of doubles.
    """

    names: tuple[str, ...]
    columns: list[list[Any]]
    ids: list[str] | None
    inputs: bool = True
    block: bytes = b""


class Redaction:
    """Applies a policy.

    A hash is keyed, so that nobody without the key can find a value by hashing all that it could
    be, and of the column too, so that equal values of two columns cannot be told to be equal.

    Args:
        policy: of a version.
        key: this installation's key; needed when a column is hashed.
        id_column: name of the column with the caller's own id.

    Raises:
        BundleError: when a column is to be hashed and there is no key.
    """

    def __init__(
        self, policy: RecordPolicy, key: bytes | None, id_column: str | None = None
    ) -> None:
        hashed = [name for name, how in policy.redact.items() if how == "hash"]
        if hashed and not key:
            raise BundleError(
                "bundle.no_record_key",
                f"this version records '{hashed[0]}' as a keyed hash, and there is no key here",
                "Copy the key of the home that trained it, and name it with HOLDFAST_KEY_FILE.",
            )
        self.policy = policy
        self._id = id_column
        self._keys = {name: _column_key(key or b"", name) for name in hashed}
        self._plain = policy == RecordPolicy()
        self._redacted = frozenset(policy.redact)

    @property
    def hashes_id(self) -> bool:
        """Whether the caller's own ids are recorded as hashes."""
        return self._id in self._keys

    def column(self, name: str, values: Values) -> list[Any] | None:
        """A column as it is recorded: None when it is not; nulls stay nulls."""
        if self.policy.redact.get(name) == "drop":
            return None
        key = self._keys.get(name)
        if key is None:
            return list(values)
        return [None if value is None else _hash(key, value) for value in values]

    def ids(self, ids: Sequence[str] | None) -> list[str] | None:
        """The caller's own ids as they are recorded."""
        if ids is None or self._id is None:
            return None if ids is None else list(ids)
        return self.column(self._id, ids)

    def keep(
        self,
        request: str,
        names: tuple[str, ...],
        columns: Columns,
        values: Mapping[str, list[Any]],
        ids: list[str] | None,
    ) -> Kept:
        """What is recorded of one request.

        Args:
            request: its prediction id; decides, alike for every version, whether it is sampled.
            names: what the version takes. The rows may have more, when they were read for another
                version: of what this one does not know, its policy says nothing.
            columns: for the model.
            values: by column, of those that do not lie in the block of a :class:`Table`.
            ids: the caller's own ids.
        """
        order: tuple[str, ...] = columns.order if type(columns) is Table else ()
        if order + tuple(values) != names or not self._redacted.isdisjoint(order):
            values = {**to_values({name: columns[name] for name in order}), **values}
            values, order = {name: values[name] for name in names}, ()
        block = (
            columns.block.astype("<f8", copy=False).tobytes()
            if order and type(columns) is Table
            else b""
        )
        if self._plain:
            return Kept(names, list(values.values()), ids, block=block)
        kept = {name: self.column(name, given) for name, given in values.items()}
        lists = [column for column in kept.values() if column is not None]
        if self._sampled_away(request, lists, block):
            return Kept((), [], self.ids(ids), inputs=False)
        recorded = tuple(name for name in names if name not in kept or kept[name] is not None)
        return Kept(recorded, lists, self.ids(ids), block=block)

    def _sampled_away(self, request: str, columns: list[list[Any]], block: bytes) -> bool:
        share = self.policy.sample
        if share >= 1.0 or _uniform(request) < share:
            return False
        return len(_encode(columns)) + len(block) > self.policy.sample_above


def _column_key(key: bytes, name: str) -> bytes:
    return hashlib.blake2b(name.encode(), key=key, person=_PURPOSE, digest_size=32).digest()


def _hash(key: bytes, value: Any) -> str:
    if type(value) is float and value.is_integer() and abs(value) < 2**63:
        value = int(value)  # a whole number comes as either, depending on the nulls beside it
    elif type(value) is list:
        value = [number + 0.0 for number in value]  # of a vector; -0.0 equals 0.0
    text = value if isinstance(value, str) else _encode(value).hex()
    data = text.encode("utf-8", "surrogatepass")
    return PREFIX + hashlib.blake2b(data, key=key, digest_size=16).hexdigest()


def _uniform(text: str) -> float:
    """A number in [0, 1) that looks random and is the same for every version and server."""
    value = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    return (value >> 11) / 2**53
