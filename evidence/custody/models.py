"""The rows of the custody log. The canonical bytes are the event; every other column is an index.

Trusts nothing: triggers (server/migrations) refuse every update but leaf_index from NULL, once,
and every deletion; whoever removes the triggers is found by the signed log.
"""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from evidence.base import Base, BigId


class CustodyEvent(Base):
    """One event. `position` is the order of commit attempts, `leaf_index` the place in the tree."""

    __tablename__ = "custody_events"
    __table_args__ = (
        Index("ix_custody_events_subject", "subject_id", "position"),
        Index(
            "ix_custody_events_unsequenced",
            "position",
            sqlite_where=text("leaf_index IS NULL"),
            postgresql_where=text("leaf_index IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    position: Mapped[int] = mapped_column(BigId, primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    at: Mapped[dt.datetime]
    kind: Mapped[str] = mapped_column(String(40))
    subject_type: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[UUID]
    actor_type: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[UUID]
    via: Mapped[str] = mapped_column(String(20))
    canonical: Mapped[bytes] = mapped_column(LargeBinary)
    entry: Mapped[bytes] = mapped_column(LargeBinary(32))
    leaf_index: Mapped[int | None] = mapped_column(BigInteger, unique=True)


class LogHead(Base):
    """The last signed checkpoint of a log, compared and swapped; kept apart from the tiles.

    It is what /log/checkpoint serves: once it is swapped in, it is published.
    """

    __tablename__ = "log_heads"

    origin: Mapped[str] = mapped_column(String(200), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))
    checkpoint: Mapped[str] = mapped_column(Text)
    signed_at: Mapped[dt.datetime]


class Lease(Base):
    """A named right that one process holds at a time, such as `sequencer`."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    holder: Mapped[str] = mapped_column(String(80))
    until: Mapped[dt.datetime]
