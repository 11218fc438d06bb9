"""Making accounts and stations, by an administrator or at the first start."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.errors import InvalidInput, NameTaken, NotFound
from evidence.people.access import Act, require
from evidence.people.actor import SYSTEM, Actor, Role
from evidence.people.models import Officer, OfficerStatus
from server.accounts import tokens
from server.accounts.models import Account, Station, Token, TokenKind
from server.accounts.passwords import hash_password


def create_account(
    session: Session,
    username: str,
    password: str,
    roles: Collection[Role],
    *,
    officer_id: UUID | None = None,
    by: Actor = SYSTEM,
) -> Account:
    """Raises AccessDenied, InvalidInput, NameTaken where the name is taken."""
    if by is not SYSTEM:
        require(by, Act.ACCOUNT_MANAGE)
    if not username.strip() or not roles or Role.STATION in roles:
        raise InvalidInput("An account has a name and at least one of the roles of persons.")
    if session.scalar(select(Account).where(Account.username == username)) is not None:
        raise NameTaken(f"The user name {username} is taken.")
    account = Account(
        username=username,
        password_hash=hash_password(password),
        roles=sorted(role.value for role in roles),
        officer_id=known_officer(session, officer_id),
        created_at=clock.now(),
    )
    session.add(account)
    session.flush()
    officer = {"officer": str(officer_id)} if officer_id else {}
    append(session, Kind.ACCOUNT_CREATED, account.id, by, roles=account.roles, **officer)
    return account


def known_officer(session: Session, officer_id: UUID | None) -> UUID | None:
    """The same. Raises InvalidInput for one that is not in the books, or has left."""
    if officer_id is not None:
        officer = session.get(Officer, officer_id)
        if officer is None or officer.status is OfficerStatus.LEFT:
            raise InvalidInput("No such officer is here.", officer=str(officer_id))
    return officer_id


def create_station(session: Session, name: str, unit_id: UUID | None, by: Actor) -> Station:
    """Raises AccessDenied, InvalidInput, NameTaken where the name is taken."""
    if by is not SYSTEM:
        require(by, Act.ACCOUNT_MANAGE)
    if not name.strip():
        raise InvalidInput("A station has a name.")
    if session.scalar(select(Station).where(Station.name == name)) is not None:
        raise NameTaken(f"There is a station called {name} already.")
    station = Station(name=name, unit_id=unit_id, created_at=clock.now())
    session.add(station)
    session.flush()
    append(session, Kind.ACCOUNT_CREATED, station.id, by, roles=[Role.STATION.value])
    return station


def next_token(session: Session, station_id: UUID, by: Actor) -> tuple[Station, Token, str]:
    """Another token of a station; those before stay good until they end or are revoked.

    Raises AccessDenied, NotFound.
    """
    require(by, Act.ACCOUNT_MANAGE)
    station = session.get(Station, station_id)
    if station is None:
        raise NotFound()
    return station, *tokens.issue(session, TokenKind.STATION, station, by)


def token_file(secret: str, verifier_key: str) -> str:
    """What a dock's token file holds: the token, and the key that pins the receipts."""
    return f"{secret}\nkey {verifier_key}\n"
