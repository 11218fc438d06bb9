"""Body-worn recorders (执法记录仪) and the ledger of who had which one when."""

from __future__ import annotations

import datetime as dt
import enum
from uuid import UUID, uuid4

from sqlalchemy import Enum, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evidence.base import Base
from evidence.people.models import Officer, Unit


class RecorderStatus(enum.StrEnum):
    IN_USE = "in_use"
    REPAIR = "repair"
    RETIRED = "retired"


class Recorder(Base):
    """A recorder, by the bureau's asset number; the maker's serial is kept apart."""

    __tablename__ = "recorders"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[str] = mapped_column(String(30), unique=True)
    # `number` in upper case without separators: what file names and docks say.
    key: Mapped[str] = mapped_column(String(30), unique=True)
    serial: Mapped[str | None] = mapped_column(String(60))
    model: Mapped[str] = mapped_column(String(80), default="")
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"), index=True)
    status: Mapped[RecorderStatus] = mapped_column(
        Enum(RecorderStatus, native_enum=False, length=20), default=RecorderStatus.IN_USE
    )

    unit: Mapped[Unit] = relationship()


class Checkout(Base):
    """One hand-out of a recorder: from checked_out_at until, not including, checked_in_at."""

    __tablename__ = "checkouts"
    __table_args__ = (
        Index("ix_checkouts_recorder_time", "recorder_id", "checked_out_at"),
        Index(
            "uq_checkouts_one_open",
            "recorder_id",
            unique=True,
            sqlite_where=text("checked_in_at IS NULL"),
            postgresql_where=text("checked_in_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    recorder_id: Mapped[UUID] = mapped_column(ForeignKey("recorders.id"))
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), index=True)
    # The officer's unit on that day: footage stays with it when the officer moves.
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"))
    checked_out_at: Mapped[dt.datetime]
    checked_in_at: Mapped[dt.datetime | None]
    purpose: Mapped[str] = mapped_column(Text, default="")

    recorder: Mapped[Recorder] = relationship()
    officer: Mapped[Officer] = relationship()
    unit: Mapped[Unit] = relationship()
