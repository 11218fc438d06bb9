"""Changing an account: its roles, its password, whose it is, whether it may log in at all.

Whatever takes something away takes effect at once: a new password, or another officer, ends every
login that was open before, and an account that is not active has no valid token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.errors import AdministratorNeeded
from evidence.people.access import Act, require
from evidence.people.actor import Actor, Role
from evidence.turns import take_turn
from server.accounts import tokens
from server.accounts.creation import known_officer
from server.accounts.models import Account, Token
from server.accounts.passwords import hash_password
from server.accounts.tokens import may_log_in


def change(session: Session, account: Account, by: Actor, said: Mapping[str, Any]) -> Account:
    """Change `active`, `roles`, `officer_id` or `password`; what does not differ is no event.

    Raises AccessDenied, InvalidInput, PasswordLength, and AdministratorNeeded where nobody would be
    left who administers accounts.
    """
    require(by, Act.ACCOUNT_MANAGE)
    take_turn(session, account.id)
    session.refresh(account)
    changed = []
    if said.get("active", account.active) != account.active:
        account.active = said["active"]
        changed.append("active")
    if "roles" in said and sorted(said["roles"]) != account.roles:
        account.roles = sorted(role.value for role in said["roles"])
        changed.append("roles")
    if said.get("officer_id", account.officer_id) != account.officer_id:
        account.officer_id = known_officer(session, said["officer_id"])
        changed.append("officer")
    if "password" in said:
        account.password_hash = hash_password(said["password"])
        changed.append("password")
    if not changed:
        return account
    session.flush()
    require_an_administrator(session)
    _tell(session, account, by, changed)
    if {"password", "officer"} & set(changed) or not account.active:
        _end_logins(session, account, by)
    return account


def change_own_password(session: Session, account: Account, by: Actor, password: str) -> None:
    """A person's own new password; it ends every login. Raises PasswordLength."""
    account.password_hash = hash_password(password)
    _tell(session, account, by, ["password"])
    _end_logins(session, account, by)


def _tell(session: Session, account: Account, by: Actor, changed: list[str]) -> None:
    officer = {"officer": str(account.officer_id)} if account.officer_id else {}
    append(
        session,
        Kind.ACCOUNT_CHANGED,
        account.id,
        by,
        changed=changed,
        roles=account.roles,
        active=account.active,
        **officer,
    )


def _end_logins(session: Session, account: Account, by: Actor) -> None:
    open_tokens = select(Token.id).where(Token.account_id == account.id, Token.revoked_at.is_(None))
    for token_id in session.scalars(open_tokens).all():
        tokens.revoke(session, token_id, by)


def require_an_administrator(session: Session) -> None:
    """Raise AdministratorNeeded where nobody could open accounts any more."""
    # All of them are locked, so that two who take each other's role away do so in turn.
    found = session.scalars(
        select(Account)
        .where(Account.active)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    administrators = [a for a in found if Role.ADMINISTRATOR.value in a.roles]
    if not any(map(may_log_in, administrators)):
        raise AdministratorNeeded()
