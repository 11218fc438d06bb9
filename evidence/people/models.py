"""Units of the bureau, its officers, and the certificates that license them."""

from __future__ import annotations

import datetime as dt
import enum
from uuid import UUID, uuid4

from sqlalchemy import Date, Enum, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evidence.base import Base


class UnitKind(enum.StrEnum):
    """What a unit may do: inspection is separated from penalty (检查与处罚相分离)."""

    INSPECTION = "inspection"  # 检查机构
    HANDLING = "handling"  # 办案机构
    BOTH = "both"
    LEGAL = "legal"  # 法制机构
    DISCIPLINE = "discipline"  # 机关纪委

    @property
    def handles_cases(self) -> bool:
        return self in (UnitKind.HANDLING, UnitKind.BOTH)


class Unit(Base):
    """A unit (机构): brigade, township office, section."""

    __tablename__ = "units"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[UnitKind] = mapped_column(Enum(UnitKind, native_enum=False, length=20))
    # Division of powers (事权划分): the handling unit that an inspection unit hands over to.
    hands_over_to_id: Mapped[UUID | None] = mapped_column(ForeignKey("units.id"), index=True)

    hands_over_to: Mapped[Unit | None] = relationship(remote_side=[id])


class OfficerStatus(enum.StrEnum):
    ACTIVE = "active"
    LEFT = "left"


class Officer(Base):
    """A law-enforcement officer (执法人员)."""

    __tablename__ = "officers"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(100), index=True)
    badge: Mapped[str] = mapped_column(String(40), unique=True)
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"), index=True)
    status: Mapped[OfficerStatus] = mapped_column(
        Enum(OfficerStatus, native_enum=False, length=20), default=OfficerStatus.ACTIVE
    )

    unit: Mapped[Unit] = relationship()
    certificates: Mapped[list[Certificate]] = relationship(
        back_populates="officer", order_by="Certificate.valid_from"
    )


class Certificate(Base):
    """An enforcement certificate (执法证) and the days, both included, on which it is valid."""

    __tablename__ = "certificates"
    __table_args__ = (UniqueConstraint("officer_id", "number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), index=True)
    number: Mapped[str] = mapped_column(String(40), index=True)
    valid_from: Mapped[dt.date] = mapped_column(Date)
    valid_to: Mapped[dt.date] = mapped_column(Date)

    officer: Mapped[Officer] = relationship(back_populates="certificates")
