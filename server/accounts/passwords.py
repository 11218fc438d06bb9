"""Passwords: argon2id, and what happens when one is wrong again and again.

After the third wrong one each attempt must wait twice as long as the one before; the tenth locks
the name for a quarter of an hour. The server never sleeps for it: an early attempt is refused
unread. Unknown names are treated, and timed, like known ones.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select

from evidence import clock
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.errors import InvalidInput, LoginFailed, LoginRefused
from evidence.people.actor import SYSTEM
from server.accounts.models import Account, LoginFailures
from server.extensions import db
from server.unit_of_work import unit_of_work

FREE_FAILURES = 3
LOCK_AFTER = 10
LOCK = dt.timedelta(minutes=15)
FORGET_AFTER = dt.timedelta(hours=24)
SHORTEST = 10
_LONGEST = 200

_hasher = PasswordHasher()
# Verified against where there is no such account, so that the answer takes as long.
_nobody = _hasher.hash(secrets.token_urlsafe(16))


def hash_password(password: str) -> str:
    """Raises InvalidInput where it is too short or too long."""
    if not SHORTEST <= len(password) <= _LONGEST:
        raise InvalidInput(f"A password has {SHORTEST} to {_LONGEST} characters.")
    return _hasher.hash(password)


def check_password(username: str, password: str) -> Account:
    """The account whose password this is. Raises LoginFailed, LoginRefused."""
    key = hashlib.sha256(username.strip().casefold().encode("utf-8", "replace")).digest()
    session = db.session()
    known = session.get(LoginFailures, key)
    now = clock.now()
    if known is not None and now < known.refused_until:
        seconds = int((known.refused_until - now).total_seconds()) + 1
        raise LoginRefused(
            f"Too many wrong passwords. Try again in {seconds} seconds.", seconds=seconds
        )
    account = session.scalar(select(Account).where(Account.username == username.strip()))
    session.rollback()
    right = _matches(account.password_hash if account else _nobody, password)
    if account is None or not account.active or not right:
        _note_failure(key, account)
        raise LoginFailed()
    if known is not None:
        with unit_of_work() as session:
            if row := session.get(LoginFailures, key):
                session.delete(row)
    return account


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password[:_LONGEST])
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def _note_failure(key: bytes, account: Account | None) -> None:
    now = clock.now()
    with unit_of_work() as session:
        row = session.get(LoginFailures, key)
        if row is None:
            row = LoginFailures(name_sha256=key, failures=0, last_at=now, refused_until=now)
            session.add(row)
        elif now - row.last_at > FORGET_AFTER:
            row.failures = 0
        row.failures += 1
        row.last_at = now
        if row.failures < LOCK_AFTER:
            wait = 2 ** (row.failures - FREE_FAILURES) if row.failures >= FREE_FAILURES else 0
            row.refused_until = now + dt.timedelta(seconds=wait)
            return
        row.refused_until = now + LOCK
        if account is not None:
            append(
                session,
                Kind.ACCOUNT_LOCKED,
                account.id,
                SYSTEM,
                failures=row.failures,
                until=row.refused_until.isoformat(),
            )
