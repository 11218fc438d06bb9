"""An inspection on site (现场检查) and the officers who carried it out."""

from __future__ import annotations

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evidence.base import Base
from evidence.people.models import Officer, Unit


class InspectionResult(enum.StrEnum):
    NO_FINDING = "no_finding"  # 未发现问题
    CORRECTION_ORDERED = "correction_ordered"  # 责令改正
    CLUE_HANDED_OVER = "clue_handed_over"  # 移交线索
    REFUSED = "refused"  # 拒绝检查


class Inspection(Base):
    """One inspection. `id` is the client's UUID, so the same record sent twice is one."""

    __tablename__ = "inspections"
    __table_args__ = (
        CheckConstraint("ended_at >= started_at", name="order"),
        Index("ix_inspections_started", "started_at", "id"),
        Index("ix_inspections_unit_started", "unit_id", "started_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"))
    party: Mapped[str] = mapped_column(String(200), index=True)  # 当事人
    place: Mapped[str] = mapped_column(String(300))
    started_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime]
    id_shown: Mapped[bool]  # 亮证
    recording_told: Mapped[bool]  # 告知录音录像
    result: Mapped[InspectionResult] = mapped_column(
        Enum(InspectionResult, native_enum=False, length=30)
    )
    findings: Mapped[str] = mapped_column(Text, default="")
    created_by: Mapped[UUID]
    created_at: Mapped[dt.datetime]
    # SHA-256 of the record as sent: tells a retry from another record under the same id.
    content_sha256: Mapped[str] = mapped_column(String(64))

    unit: Mapped[Unit] = relationship()
    officers: Mapped[list[Officer]] = relationship(
        secondary="inspection_officers", order_by=Officer.badge
    )


class InspectionOfficer(Base):
    """An officer at an inspection, with the certificate number that was valid that day."""

    __tablename__ = "inspection_officers"

    inspection_id: Mapped[UUID] = mapped_column(ForeignKey("inspections.id"), primary_key=True)
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), primary_key=True)
    certificate_number: Mapped[str] = mapped_column(String(40), default="")
