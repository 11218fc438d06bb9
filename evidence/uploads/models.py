"""An upload: transport only. What it became is an exhibit."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, Enum, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from evidence.base import Base


class UploadState(enum.StrEnum):
    RECEIVING = "receiving"
    SEALING = "sealing"
    SEALED = "sealed"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    TERMINATED = "terminated"
    EXPIRED = "expired"


class UploadPart(enum.StrEnum):
    """Its part in a concatenation (tus)."""

    WHOLE = "whole"
    PARTIAL = "partial"
    FINAL = "final"


class Upload(Base):
    """One tus upload. Its offset is not here: the staging journal alone knows that."""

    __tablename__ = "uploads"
    # A creation that is sent again under the same event id is the same upload.
    __table_args__ = (UniqueConstraint("actor_id", "event_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    state: Mapped[UploadState] = mapped_column(
        Enum(UploadState, native_enum=False, length=20), index=True, default=UploadState.RECEIVING
    )
    part: Mapped[UploadPart] = mapped_column(
        Enum(UploadPart, native_enum=False, length=20), default=UploadPart.WHOLE
    )
    length: Mapped[int | None] = mapped_column(BigInteger)
    concat: Mapped[str | None] = mapped_column(Text)  # Upload-Concat as it was sent

    # The raw Upload-Metadata header, and what it says, decoded.
    metadata_raw: Mapped[str] = mapped_column(Text, default="")
    filename: Mapped[str] = mapped_column(Text, default="")
    filetype: Mapped[str] = mapped_column(String(255), default="")
    recorder_claim: Mapped[str] = mapped_column(String(255), default="")
    recorded_at_claim: Mapped[str] = mapped_column(String(255), default="")
    sha256_claim: Mapped[str | None] = mapped_column(String(64))
    sm3_claim: Mapped[str | None] = mapped_column(String(64))
    case_claim: Mapped[str] = mapped_column(String(255), default="")
    event_id: Mapped[UUID | None]

    # Who sent it: an Actor's type, id and via, and the unit it acts for.
    actor_type: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[UUID] = mapped_column(index=True)
    actor_via: Mapped[str] = mapped_column(String(20))
    actor_name: Mapped[str] = mapped_column(String(100), default="")
    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey("units.id"))

    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime] = mapped_column(index=True)
    completed_at: Mapped[dt.datetime | None]

    # What became of it.
    exhibit_id: Mapped[UUID | None] = mapped_column(ForeignKey("exhibits.id"), index=True)
    receipt: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # why quarantined, what differed
