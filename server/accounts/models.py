"""Logins. An account points at an officer; evidence/ knows only officers.

Only digests of secrets are stored: argon2 of passwords, SHA-256 of tokens (which are random).
"""

from __future__ import annotations

import datetime as dt
import enum
from uuid import UUID, uuid4

from sqlalchemy import JSON, CheckConstraint, Enum, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evidence.base import Base
from evidence.people.models import Officer, Unit


class Account(Base):
    """Somebody who can log in. Roles are read from here at every request, never from a client."""

    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    username: Mapped[str] = mapped_column(String(60), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    roles: Mapped[list[str]] = mapped_column(JSON)
    officer_id: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[dt.datetime]

    officer: Mapped[Officer | None] = relationship()


class Station(Base):
    """A dock station (采集站): it can upload, and nothing else."""

    __tablename__ = "stations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey("units.id"))
    created_at: Mapped[dt.datetime]

    unit: Mapped[Unit | None] = relationship()


class TokenKind(enum.StrEnum):
    SESSION = "session"  # a console's cookie carries it
    BEARER = "bearer"
    STATION = "station"


class Token(Base):
    """A secret that stands for an account or a station until it expires or is revoked."""

    __tablename__ = "tokens"
    __table_args__ = (
        CheckConstraint("(account_id IS NULL) <> (station_id IS NULL)", name="one_holder"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[TokenKind] = mapped_column(Enum(TokenKind, native_enum=False, length=20))
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"), index=True)
    station_id: Mapped[UUID | None] = mapped_column(ForeignKey("stations.id"), index=True)
    issued_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]

    account: Mapped[Account | None] = relationship()
    station: Mapped[Station | None] = relationship()


class LoginFailures(Base):
    """Wrong passwords for a name, whether or not it exists, or from an address.

    `subject_sha256` is what was counted, digested: a log of names typed wrong would hold
    passwords typed into the wrong field.
    """

    __tablename__ = "login_failures"

    subject_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[dt.datetime]
    refused_until: Mapped[dt.datetime]
