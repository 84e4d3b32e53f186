"""Models: which specs this installation looks after."""

from __future__ import annotations

from pathlib import Path

import msgspec
from sqlalchemy import Connection, select

from holdfast.errors import NotFoundError
from holdfast.records import Record
from holdfast.records.base import Time
from holdfast.spec import FILE_NAME, Spec, parse_spec
from holdfast.store.rows import first, put, several
from holdfast.store.tables import models


class ModelEntry(Record, frozen=True, kw_only=True):
    """A model as it was added.

    Args:
        root: folder of its project.
        text: its ``holdfast.toml``, as it was when it was added or last changed.
        paused: whether the loop leaves it alone.
        note: why it is paused.
        champion: version to which the alias ``champion`` pointed when it was last looked at.
        moving: version to which it is being moved.
    """

    name: str
    root: str
    text: str
    added_at: Time
    paused: bool = False
    note: str = ""
    champion: int | None = None
    moving: int | None = None

    def spec(self) -> Spec:
        """The spec.

        Raises:
            SpecError: when the text is wrong for this version of Holdfast.
        """
        return parse_spec(self.text, Path(self.root) / FILE_NAME)


class _Root(msgspec.Struct):
    root: str


_ROOT = msgspec.json.Decoder(_Root)


class Models:
    """The models this installation looks after."""

    def save(self, tx: Connection, entry: ModelEntry) -> None:
        """Adds a model, or changes its spec."""
        put(tx, models, entry, name=entry.name)

    def pause(
        self, tx: Connection, name: str, *, paused: bool = True, note: str = ""
    ) -> ModelEntry:
        """Tells the loop to leave a model alone, or to look after it again.

        Raises:
            NotFoundError: when there is none of that name.
        """
        entry = msgspec.structs.replace(self.get(tx, name), paused=paused, note=note)
        self.save(tx, entry)
        return entry

    def find(self, tx: Connection, name: str) -> ModelEntry | None:
        """One model, or None."""
        return first(tx, ModelEntry, select(models.c.record).where(models.c.name == name))

    def get(self, tx: Connection, name: str) -> ModelEntry:
        """One model.

        Raises:
            NotFoundError: when there is none of that name.
        """
        entry = self.find(tx, name)
        if entry is None:
            raise NotFoundError(
                "model.unknown", f"there is no model '{name}'", "See 'holdfast status'."
            )
        return entry

    def roots(self, tx: Connection) -> dict[str, str]:
        """The project folder of each model, by name."""
        rows = tx.execute(select(models.c.name, models.c.record).order_by(models.c.name))
        return {row.name: _ROOT.decode(row.record).root for row in rows}

    def list(self, tx: Connection) -> tuple[ModelEntry, ...]:
        """All of them, by name."""
        return several(tx, ModelEntry, select(models.c.record).order_by(models.c.name))
