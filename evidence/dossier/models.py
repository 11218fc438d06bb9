"""A dossier: what was put together for somebody outside, and who signed for it."""

from __future__ import annotations

import datetime as dt
import enum
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, Enum, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evidence.base import Base


class DossierState(enum.StrEnum):
    PREPARING = "preparing"
    READY = "ready"
    FAILED = "failed"


class Dossier(Base):
    """Of one exhibit or of one case. Its files are named by two lists in the derivative store.

    `payload` is there once the custody log commits to it: what it names never changes then.
    `index` adds the proofs, and is what is handed out.
    """

    __tablename__ = "dossiers"
    __table_args__ = (CheckConstraint("(exhibit_id IS NULL) <> (case_id IS NULL)", name="one_of"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    label: Mapped[str] = mapped_column(String(20), unique=True)  # D2026-000012
    state: Mapped[DossierState] = mapped_column(
        Enum(DossierState, native_enum=False, length=20), default=DossierState.PREPARING
    )
    exhibit_id: Mapped[UUID | None] = mapped_column(ForeignKey("exhibits.id"), index=True)
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)

    # Who asked for it: an Actor's type, id and via.
    actor_type: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[UUID]
    actor_via: Mapped[str] = mapped_column(String(20))
    actor_name: Mapped[str] = mapped_column(String(100), default="")
    requested_at: Mapped[dt.datetime] = mapped_column(index=True)

    payload: Mapped[str | None] = mapped_column(String(64))
    index: Mapped[str | None] = mapped_column(String(64))
    manifest_sha256: Mapped[str | None] = mapped_column(String(64))
    exhibits: Mapped[int] = mapped_column(default=0)
    files: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)  # bytes of all files
    ready_at: Mapped[dt.datetime | None]
    problem: Mapped[str] = mapped_column(Text, default="")

    receipts: Mapped[list[DossierReceipt]] = relationship(
        back_populates="dossier", order_by="DossierReceipt.received_at"
    )


class DossierReceipt(Base):
    """Somebody has received a dossier, and says so by name."""

    __tablename__ = "dossier_receipts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    dossier_id: Mapped[UUID] = mapped_column(ForeignKey("dossiers.id"), index=True)
    recipient: Mapped[str] = mapped_column(String(100))
    organisation: Mapped[str] = mapped_column(String(200))
    received_at: Mapped[dt.datetime]

    dossier: Mapped[Dossier] = relationship(back_populates="receipts")
