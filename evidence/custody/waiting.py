"""What no signed head holds yet."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from evidence.custody.models import CustodyEvent, LogHead


def oldest_unsigned(session: Session) -> dt.datetime | None:
    """When the first event was made that no signed head holds.

    One that has its index is not signed yet: the tiles of its batch may find no room.
    """
    signed = select(func.coalesce(func.max(LogHead.size), 0)).scalar_subquery()
    waiting = union_all(
        select(CustodyEvent.at).where(CustodyEvent.leaf_index.is_(None)),
        select(CustodyEvent.at).where(CustodyEvent.leaf_index >= signed),
    ).subquery()
    oldest: dt.datetime | None = session.scalar(select(func.min(waiting.c.at)))
    return oldest
