"""The fleet: what looks at a model need to know of the others, kept apart from the large looks."""

from __future__ import annotations

import math
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from holdfast.store.tables import fleet


class Fleet:
    """One number of each model, from the newest look at what is live."""

    def save(self, tx: Connection, model: str, at: datetime, share: float | None) -> None:
        """Writes it in place of the one before.

        Args:
            tx: the transaction.
            model: that was looked at.
            at: now.
            share: see :func:`holdfast.monitoring.fleet.share_of`; infinite when there is nothing
                to find, None when there was nothing to judge, so that the model does not count.
        """
        tx.execute(delete(fleet).where(fleet.c.model == model))
        if share is not None:
            tx.execute(insert(fleet).values(model=model, at=at, least_share=share))

    def beside(self, tx: Connection, model: str, since: datetime) -> tuple[float, ...]:
        """The least shares of all other models; of most no more is read than that they are there.

        Args:
            tx: the transaction.
            model: which is left out.
            since: those of before count, as infinite: they are too old to lend others anything.
        """
        others = fleet.c.model != model
        count = tx.execute(select(func.count()).where(others)).scalar_one()
        telling = others & (fleet.c.at >= since) & (fleet.c.least_share <= 1)
        found = tx.execute(select(fleet.c.least_share).where(telling)).scalars().all()
        return (*found, *(math.inf for _ in range(count - len(found))))
