"""Dataset versions."""

from __future__ import annotations

from sqlalchemy import Connection, select

from holdfast.errors import NotFoundError
from holdfast.records import DatasetVersion
from holdfast.store.rows import first, put_once, several
from holdfast.store.tables import datasets


class Datasets:
    """The manifests of the data that runs saw; written once, never changed."""

    def add(self, tx: Connection, dataset: DatasetVersion) -> bool:
        """Writes a dataset version unless its id is known; says whether it did."""
        return put_once(
            tx,
            datasets,
            dataset,
            id=dataset.id,
            model=dataset.model,
            created_at=dataset.created_at,
        )

    def get(self, tx: Connection, dataset_id: str) -> DatasetVersion:
        """One dataset version.

        Raises:
            NotFoundError: when there is none of that id.
        """
        dataset = first(
            tx, DatasetVersion, select(datasets.c.record).where(datasets.c.id == dataset_id)
        )
        if dataset is None:
            raise NotFoundError("dataset.unknown", f"there is no dataset version '{dataset_id}'")
        return dataset

    def list(self, tx: Connection, model: str, limit: int = 100) -> tuple[DatasetVersion, ...]:
        """Newest first."""
        query = select(datasets.c.record).where(datasets.c.model == model).limit(limit)
        return several(tx, DatasetVersion, query.order_by(datasets.c.created_at.desc()))
