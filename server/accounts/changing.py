"""Changing an account: its roles, its password, whether it may log in at all.

Whatever takes something away takes effect at once: a new password ends every login that the old
one opened, and an account that is not active has no valid token.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.errors import Conflict
from evidence.people.access import Act, require
from evidence.people.actor import Actor, Role
from server.accounts import tokens
from server.accounts.models import Account, Token
from server.accounts.passwords import hash_password


def change(
    session: Session,
    account: Account,
    by: Actor,
    *,
    active: bool | None = None,
    password: str | None = None,
    roles: Collection[Role] | None = None,
) -> Account:
    """None leaves a member as it is; what does not differ is no change, and no event.

    Raises AccessDenied, InvalidInput for a password too short or too long, and Conflict where
    nobody would be left who administers accounts.
    """
    require(by, Act.ACCOUNT_MANAGE)
    changed = []
    if active is not None and active != account.active:
        account.active = active
        changed.append("active")
    if roles is not None and sorted(roles) != account.roles:
        account.roles = sorted(role.value for role in roles)
        changed.append("roles")
    if password is not None:
        account.password_hash = hash_password(password)
        changed.append("password")
    if not changed:
        return account
    session.flush()
    _require_an_administrator(session)
    append(
        session,
        Kind.ACCOUNT_CHANGED,
        account.id,
        by,
        changed=changed,
        roles=account.roles,
        active=account.active,
    )
    if password is not None or active is False:
        open_tokens = select(Token.id).where(
            Token.account_id == account.id, Token.revoked_at.is_(None)
        )
        for token_id in session.scalars(open_tokens).all():
            tokens.revoke(session, token_id, by)
    return account


def _require_an_administrator(session: Session) -> None:
    # All of them are locked, so that two who take each other's role away do so in turn.
    found = session.scalars(select(Account).where(Account.active).with_for_update())
    if not any(Role.ADMINISTRATOR.value in account.roles for account in found):
        raise Conflict("An administrator must remain: nobody could open accounts any more.")
