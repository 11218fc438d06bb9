"""The rows of the custody log. The canonical bytes are the event; every other column is an index.

Trusts nothing: triggers (server/migrations) refuse every update but leaf_index from NULL, once,
and every deletion; whoever removes the triggers is found by the signed log.
"""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, text
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


class KeptCheckpoint(Base):
    """A signed head that others have cosigned or stamped, kept for that.

    Of those that were only cosigned, each hour's first and the newest are kept.
    """

    __tablename__ = "kept_checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    signed_at: Mapped[dt.datetime] = mapped_column(index=True)


class Cosignature(Base):
    """What a witness says of a kept checkpoint: its signature line, verified."""

    __tablename__ = "cosignatures"

    size: Mapped[int] = mapped_column(ForeignKey("kept_checkpoints.size"), primary_key=True)
    witness: Mapped[str] = mapped_column(String(200), primary_key=True)  # its verifier key
    line: Mapped[str] = mapped_column(Text)
    at: Mapped[dt.datetime]  # by the witness's clock


class Stamp(Base):
    """An authority's word (RFC 3161) that a kept checkpoint was there at a time; verified."""

    __tablename__ = "stamps"

    size: Mapped[int] = mapped_column(ForeignKey("kept_checkpoints.size"), primary_key=True)
    authority: Mapped[str] = mapped_column(String(300), primary_key=True)  # its URL
    response: Mapped[bytes] = mapped_column(LargeBinary)  # a TimeStampResp, DER
    at: Mapped[dt.datetime]  # by the authority's clock


class Correspondence(Base):
    """How it stands with a witness (its key) or an authority (its address): what is owed since.

    A refusal is a witness's word that our log contradicts what it has seen: the alarm stays until
    a later checkpoint is cosigned.
    """

    __tablename__ = "correspondence"

    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, default=0)  # the last checkpoint answered
    answered_at: Mapped[dt.datetime | None]
    tried_at: Mapped[dt.datetime | None]
    silent_since: Mapped[dt.datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)  # in vain, since then
    problem: Mapped[str] = mapped_column(Text, default="")
    refused_at: Mapped[dt.datetime | None]
