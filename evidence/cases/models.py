"""A penalty case (行政处罚案件), found by its number."""

from __future__ import annotations

import datetime as dt
import enum
from uuid import UUID, uuid4

from sqlalchemy import Date, Enum, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evidence.base import Base
from evidence.people.models import Officer, Unit


class Sector(enum.StrEnum):
    FOOD = "food"  # 食品
    DRUG_DEVICE = "drug_device"  # 药品、医疗器械
    SPECIAL_EQUIPMENT = "special_equipment"  # 特种设备
    PRODUCT_QUALITY = "product_quality"  # 产品质量
    OTHER = "other"


class Stage(enum.StrEnum):
    """Kept simple for now; the full track is a later work."""

    FILED = "filed"  # 立案
    INVESTIGATING = "investigating"  # 调查取证
    DECIDED = "decided"  # 决定
    CLOSED = "closed"  # 结案
    ARCHIVED = "archived"  # 归档


class Case(Base):
    """A case. `number` is the normalised text, the four parts are its key."""

    __tablename__ = "cases"
    __table_args__ = (
        UniqueConstraint("number_org", "number_kind", "number_year", "number_seq"),
        Index("ix_cases_filed", "filed_on", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[str] = mapped_column(String(60), unique=True)
    number_raw: Mapped[str] = mapped_column(String(100))
    number_org: Mapped[str] = mapped_column(String(16))
    number_kind: Mapped[str] = mapped_column(String(16))
    number_year: Mapped[int]
    number_seq: Mapped[int]
    party: Mapped[str] = mapped_column(String(200), index=True)
    sector: Mapped[Sector] = mapped_column(Enum(Sector, native_enum=False, length=30))
    stage: Mapped[Stage] = mapped_column(
        Enum(Stage, native_enum=False, length=30), default=Stage.FILED
    )
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"), index=True)
    handler_id: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    # The reviewer to whom the case was sent (法制审核): never its handler.
    reviewer_id: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"), index=True)
    filed_on: Mapped[dt.date] = mapped_column(Date)
    created_at: Mapped[dt.datetime]

    unit: Mapped[Unit] = relationship()
    handler: Mapped[Officer | None] = relationship(foreign_keys=[handler_id])
    reviewer: Mapped[Officer | None] = relationship(foreign_keys=[reviewer_id])
