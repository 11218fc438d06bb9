"""Passwords: argon2id, and what happens when one is wrong again and again.

Counted for the name and for the address, each by its own measure. After some free ones every
attempt must wait twice as long as the one before; then the name is locked for a quarter of an
hour. The server never sleeps for it: an early attempt is refused unread.

Order: the attempt is counted as a failure, then the password is looked at, then a right one is
taken off again. So a hundred guesses at once are a hundred failures, and a crash forgives none.
Unknown names are treated, and timed, like known ones.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.append import append, timestamp
from evidence.custody.kinds import Kind
from evidence.errors import LoginFailed, LoginRefused, PasswordLength
from evidence.people.actor import SYSTEM
from evidence.turns import take_turn
from server.accounts.models import Account, LoginFailures
from server.accounts.tokens import may_log_in
from server.unit_of_work import unit_of_work

LOCK = dt.timedelta(minutes=15)
FORGET_AFTER = dt.timedelta(hours=24)
SHORTEST = 10
LONGEST = 200

# RFC 9106's second choice with a quarter of its memory: the web process stays small under load.
_hasher = PasswordHasher(time_cost=4, memory_cost=16 * 1024, parallelism=1)
# And no more than two at a time, however many ask; in threads of their own, because a C library's
# allocator keeps for each thread what that thread has used.
_two = ThreadPoolExecutor(2, "argon2")
# Verified against where there is no such account, so that the answer takes as long.
_nobody = _hasher.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True, slots=True)
class Patience:
    """So many failures are free; from `locks_at` on the subject waits for LOCK."""

    free: int
    locks_at: int

    def wait(self, failures: int) -> dt.timedelta:
        if failures >= self.locks_at:
            return LOCK
        return min(LOCK, dt.timedelta(seconds=2 ** min(failures - self.free, 10) // 2))


FOR_A_NAME = Patience(free=3, locks_at=10)
# A whole office may stand behind one address.
FOR_AN_ADDRESS = Patience(free=40, locks_at=60)


def hash_password(password: str) -> str:
    """Raises PasswordLength."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise PasswordLength(f"A password has {SHORTEST} to {LONGEST} characters.")
    return _hasher.hash(password)


@dataclass(frozen=True, slots=True)
class Verified:
    """An account, and the digest of its password as it was when the right one was given."""

    account_id: UUID
    password_hash: str


def admit(session: Session, verified: Verified) -> Account:
    """The account anew, in its turn: what was verified a moment ago must still hold.

    Raises LoginFailed where it was given another password since, or may log in no more.
    """
    take_turn(session, verified.account_id)
    account = session.get(Account, verified.account_id, populate_existing=True)
    if account is None or account.password_hash != verified.password_hash:
        raise LoginFailed()
    if not may_log_in(account):
        raise LoginFailed()
    return account


def check_password(username: str, password: str, address: str | None) -> Verified:
    """The account whose password this is, for `admit`. Raises LoginFailed, LoginRefused."""
    # Half of a surrogate pair is in nobody's name, and in no database; nor is a NUL.
    name = username.strip().encode("utf-8", "replace").decode().replace("\0", "?")
    subjects = {
        _digest("name", name.casefold()): FOR_A_NAME,
        _digest("address", _network(address)): FOR_AN_ADDRESS,
    }
    with unit_of_work() as session:
        for subject, patience in subjects.items():
            _count(session, subject, patience)
        account = session.scalar(select(Account).where(Account.username == name))
        admitted = account is not None and may_log_in(account)
        verified = Verified(account.id, account.password_hash) if account else None
    right = _matches(verified.password_hash if verified else _nobody, password)
    with unit_of_work() as session:
        take_turn(session, *(UUID(bytes=subject[:16]) for subject in subjects))
        of_name, of_address = (session.get(LoginFailures, subject) for subject in subjects)
        if verified is not None and admitted and right:
            # Another login of the same name, at the same time, may have taken it off already.
            if of_name is not None:
                session.delete(of_name)
            # Only its own: who has one account may not wash off guesses at others.
            if of_address is not None:
                of_address.failures -= 1
            return verified
        if verified is not None and of_name and of_name.failures >= FOR_A_NAME.locks_at:
            append(
                session,
                Kind.ACCOUNT_LOCKED,
                verified.account_id,
                SYSTEM,
                failures=of_name.failures,
                until=timestamp(of_name.refused_until),
            )
    raise LoginFailed()


def _digest(kind: str, subject: str) -> bytes:
    return hashlib.sha256(f"{kind}:{subject}".encode("utf-8", "replace")).digest()


def _network(address: str | None) -> str:
    """Who has one IPv6 address has the whole /64."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    prefix = 64 if found.version == 6 else 32
    return str(ipaddress.ip_network((found, prefix), strict=False))


def _count(session: Session, subject: bytes, patience: Patience) -> None:
    """One more failure, and when the next attempt may be. Raises LoginRefused where it is early."""
    take_turn(session, UUID(bytes=subject[:16]))
    now = clock.now()
    row = session.get(LoginFailures, subject)
    if row is None:
        row = LoginFailures(subject_sha256=subject, failures=0, last_at=now, refused_until=now)
        session.add(row)
    if now < row.refused_until:
        seconds = int((row.refused_until - now).total_seconds()) + 1
        raise LoginRefused(
            f"Too many wrong passwords. Try again in {seconds} seconds.", seconds=seconds
        )
    if now - row.last_at > FORGET_AFTER:
        row.failures = 0
    row.failures += 1
    row.last_at = now
    row.refused_until = now + patience.wait(row.failures)


def _matches(password_hash: str, password: str) -> bool:
    if len(password) > LONGEST:
        return False
    try:
        return _two.submit(_hasher.verify, password_hash, password).result()
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
