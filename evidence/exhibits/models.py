"""An exhibit: an acquired original and its registration; and what it is linked to."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evidence.base import Base
from evidence.exhibits.order import position_of
from evidence.people.models import Officer, Unit
from evidence.recorders.models import Recorder


class ExhibitState(enum.StrEnum):
    SEALED = "sealed"
    QUARANTINED = "quarantined"


class MediaState(enum.StrEnum):
    """What the media tools could say of it. The exhibit's own bytes are never in question here."""

    PENDING = "pending"
    READ = "read"
    PARTIAL = "partial"  # readable in part: cut off, damaged
    UNREADABLE = "unreadable"
    NOT_MEDIA = "not_media"


class Fixity(enum.StrEnum):
    """What the last reading of an original's bytes, after its sealing, has shown."""

    UNCHECKED = "unchecked"
    INTACT = "intact"
    ALTERED = "altered"
    UNREADABLE = "unreadable"  # gone, or the medium refuses


def _position(context: Any) -> int:
    row = context.get_current_parameters()
    return position_of(row["received_at"], row["label"])


# What came in more than a day after its recording, in each database's own words: an index serves
# no condition but its own.
LONG_AFTER = dt.timedelta(days=1)
RECEIVED_LONG_AFTER = {
    "sqlite": text("julianday(received_at) - julianday(recorded_at) > 1"),
    "postgresql": text("received_at - recorded_at > interval '1 day'"),
}


class Exhibit(Base):
    """An original as acquired: its digests, its claims, who had it."""

    __tablename__ = "exhibits"
    __table_args__ = (
        # The same bytes are the same original. Quarantined bytes are outside: they claim nothing.
        Index(
            "uq_exhibits_sealed_sha256",
            "sha256",
            unique=True,
            sqlite_where=text("state = 'SEALED'"),
            postgresql_where=text("state = 'SEALED'"),
        ),
        # Every list is newest first by `position`, so each filter has its index in that order.
        Index("ix_exhibits_unit", "unit_id", "position", "recorded_at", "state", "media_state"),
        Index("ix_exhibits_recorder", "recorder_id", "position"),
        Index("ix_exhibits_officer", "officer_id", "position"),
        Index("ix_exhibits_state", "state", "position"),
        Index("ix_exhibits_media_state", "media_state", "position"),
        Index("ix_exhibits_fixity", "fixity", "position"),
        Index("ix_exhibits_last_read_at", "state", "last_read_at"),
        Index("ix_exhibits_recorded", "position", "recorded_at"),
        Index("ix_exhibits_recorded_at", "recorded_at"),
        Index(
            "ix_exhibits_received_long_after",
            "position",
            "recorded_at",
            sqlite_where=RECEIVED_LONG_AFTER["sqlite"],
            postgresql_where=RECEIVED_LONG_AFTER["postgresql"],
        ),
        CheckConstraint("size >= 0", name="size"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    label: Mapped[str] = mapped_column(String(20), unique=True)  # E2026-000123
    # The place in every list, from received_at and label: one integer, so that a page's end is
    # exact and the text index can keep its rows in the same order.
    position: Mapped[int] = mapped_column(BigInteger, unique=True, default=_position)
    state: Mapped[ExhibitState] = mapped_column(Enum(ExhibitState, native_enum=False, length=20))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    # SM3 (GB/T 32905) of the same bytes, read back; None where the platform has none.
    sm3: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)

    # The three points of the acquisition; the claim is None where the source sent none.
    sha256_claim: Mapped[str | None] = mapped_column(String(64))
    sha256_received: Mapped[str | None] = mapped_column(String(64))
    sha256_read_back: Mapped[str] = mapped_column(String(64))
    segments_digest: Mapped[str] = mapped_column(String(64))

    # Claims, kept as they came.
    filename: Mapped[str] = mapped_column(Text)
    filetype: Mapped[str] = mapped_column(String(255), default="")
    recorder_claim: Mapped[str] = mapped_column(String(255), default="")
    recorded_at_claim: Mapped[str] = mapped_column(String(255), default="")
    flags: Mapped[list[str]] = mapped_column(JSON, default=list)

    # What we made of the claims.
    recorded_at: Mapped[dt.datetime | None]
    recorder_id: Mapped[UUID | None] = mapped_column(ForeignKey("recorders.id"))
    officer_id: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))  # the wearer
    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey("units.id"))
    upload_id: Mapped[UUID | None] = mapped_column(index=True)
    custodian: Mapped[str] = mapped_column(String(100), default="")
    received_at: Mapped[dt.datetime]
    sealed_at: Mapped[dt.datetime | None]

    # Every byte of the original was last read and compared then: the sealing was the first time.
    last_read_at: Mapped[dt.datetime | None]
    fixity: Mapped[Fixity] = mapped_column(
        Enum(Fixity, native_enum=False, length=20),
        default=Fixity.UNCHECKED,
        server_default=Fixity.UNCHECKED.name,
    )

    # What the media tools say.
    media_state: Mapped[MediaState] = mapped_column(
        Enum(MediaState, native_enum=False, length=20), default=MediaState.PENDING
    )
    media_type: Mapped[str | None] = mapped_column(String(100))  # from the bytes, not the name
    media_facts: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    media_problem: Mapped[str | None] = mapped_column(Text)
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    width: Mapped[int | None]
    height: Mapped[int | None]
    poster_sha256: Mapped[str | None] = mapped_column(String(64))

    recorder: Mapped[Recorder | None] = relationship()
    officer: Mapped[Officer | None] = relationship()
    unit: Mapped[Unit | None] = relationship()
    links: Mapped[list[ExhibitLink]] = relationship(
        back_populates="exhibit", order_by="ExhibitLink.linked_at"
    )


class ExhibitSegments(Base):
    """The digests of the segments in which an original arrived (evidence.digests.pack_segments)."""

    __tablename__ = "exhibit_segments"

    exhibit_id: Mapped[UUID] = mapped_column(ForeignKey("exhibits.id"), primary_key=True)
    packed: Mapped[bytes] = mapped_column(LargeBinary)


class ReadingAsked(Base):
    """Somebody has asked that an original be read again before its turn: until it was."""

    __tablename__ = "readings_asked"

    exhibit_id: Mapped[UUID] = mapped_column(ForeignKey("exhibits.id"), primary_key=True)
    asked_at: Mapped[dt.datetime] = mapped_column(index=True)


class ExhibitLink(Base):
    """An exhibit attached to a case or an inspection. Unlinking keeps the row."""

    __tablename__ = "exhibit_links"
    __table_args__ = (
        CheckConstraint("(case_id IS NULL) <> (inspection_id IS NULL)", name="one_target"),
        *(
            Index(
                f"ix_exhibit_links_open_{column}",
                f"{column}_id",
                "exhibit_position",
                sqlite_where=text("unlinked_at IS NULL"),
                postgresql_where=text("unlinked_at IS NULL"),
            )
            for column in ("case", "inspection", "unit", "sent_to")
        ),
        # Every exhibit that a case ever had, also those that were taken off it.
        Index("ix_exhibit_links_case", "case_id", "exhibit_id"),
        Index(
            "uq_exhibit_links_open_case",
            "exhibit_id",
            "case_id",
            unique=True,
            sqlite_where=text("unlinked_at IS NULL AND case_id IS NOT NULL"),
            postgresql_where=text("unlinked_at IS NULL AND case_id IS NOT NULL"),
        ),
        Index(
            "uq_exhibit_links_open_inspection",
            "exhibit_id",
            "inspection_id",
            unique=True,
            sqlite_where=text("unlinked_at IS NULL AND inspection_id IS NOT NULL"),
            postgresql_where=text("unlinked_at IS NULL AND inspection_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    exhibit_id: Mapped[UUID] = mapped_column(ForeignKey("exhibits.id"), index=True)
    exhibit_position: Mapped[int] = mapped_column(BigInteger)  # Exhibit.position, for its order
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"))
    inspection_id: Mapped[UUID | None] = mapped_column(ForeignKey("inspections.id"))
    # The unit of the case or inspection: whoever reaches that unit's things reaches the exhibit.
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"))
    # Whom the case was sent to for review, and what people search for: its number and party, or
    # the inspection's party and place. evidence.cases and evidence.inspections keep them current.
    sent_to_id: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    target_text: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(Text, default="")
    sha256_at_link: Mapped[str] = mapped_column(String(64))
    linked_by: Mapped[UUID]
    linked_by_name: Mapped[str] = mapped_column(String(100), default="")
    linked_at: Mapped[dt.datetime]
    unlinked_by: Mapped[UUID | None]
    unlinked_at: Mapped[dt.datetime | None]
    unlink_reason: Mapped[str | None] = mapped_column(Text)

    exhibit: Mapped[Exhibit] = relationship(back_populates="links")
