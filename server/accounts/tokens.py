"""Tokens: 256 random bits, of which only the SHA-256 is kept. Revoking one ends it at once."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from evidence import clock
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.errors import NotFound
from evidence.people.actor import Actor
from evidence.people.models import OfficerStatus
from server.accounts.models import Account, Station, Token, TokenKind

PREFIX = "zl_"
LIFETIME = {
    TokenKind.SESSION: dt.timedelta(hours=12),
    TokenKind.BEARER: dt.timedelta(hours=12),
    TokenKind.STATION: dt.timedelta(days=365),
}


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def issue(
    session: Session, kind: TokenKind, holder: Account | Station, by: Actor
) -> tuple[Token, str]:
    """A new token and its secret, which is shown once and not kept."""
    secret = PREFIX + secrets.token_urlsafe(32)
    now = clock.now()
    token = Token(
        kind=kind,
        secret_sha256=_digest(secret),
        account_id=holder.id if isinstance(holder, Account) else None,
        station_id=holder.id if isinstance(holder, Station) else None,
        issued_at=now,
        expires_at=now + LIFETIME[kind],
    )
    session.add(token)
    session.flush()
    append(
        session,
        Kind.ACCOUNT_TOKEN_ISSUED,
        holder.id,
        by,
        token=str(token.id),
        scope=kind.value,
        expires_at=token.expires_at.isoformat(),
    )
    return token, secret


def find(session: Session, secret: str) -> Token | None:
    """The token that is valid now, or none."""
    token = session.scalar(
        select(Token)
        .where(Token.secret_sha256 == _digest(secret))
        .options(joinedload(Token.account).joinedload(Account.officer), joinedload(Token.station))
    )
    if token is None or token.revoked_at is not None or token.expires_at <= clock.now():
        return None
    if token.account is not None and not may_log_in(token.account):
        return None
    return token


def may_log_in(account: Account) -> bool:
    """Not once it is shut, nor once its officer has left the bureau."""
    left = account.officer is not None and account.officer.status is OfficerStatus.LEFT
    return account.active and not left


def revoke(session: Session, token_id: UUID, by: Actor) -> None:
    """End a token; ending it again changes nothing. Raises NotFound."""
    token = session.get(Token, token_id)
    if token is None:
        raise NotFound()
    if token.revoked_at is None:
        token.revoked_at = clock.now()
        holder = token.account_id or token.station_id
        append(session, Kind.ACCOUNT_TOKEN_REVOKED, holder or token.id, by, token=str(token.id))
