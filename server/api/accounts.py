"""Accounts: who can log in, and in which roles. An administrator's work."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from sqlalchemy import select

from evidence.errors import NotFound
from evidence.people.access import Act, require
from evidence.people.actor import Role
from schemas.accounts import (
    AccountChange,
    AccountRequest,
    AccountResponse,
    PasswordChange,
    TokenResponse,
)
from server.accounts.changing import change
from server.accounts.creation import create_account
from server.accounts.current import current_actor, require_login
from server.accounts.models import Account
from server.accounts.own import renew_password
from server.extensions import db
from server.unit_of_work import unit_of_work

blp = Blueprint("accounts", __name__, url_prefix="/api/v1/accounts", description="Logins")
blp.before_request(require_login)


@blp.get("")
@blp.response(200, AccountResponse(many=True))
def listed() -> list[Account]:
    """Every account, by its name."""
    require(current_actor(), Act.ACCOUNT_MANAGE)
    return list(db.session.scalars(select(Account).order_by(Account.username)))


@blp.post("")
@blp.arguments(AccountRequest)
@blp.response(201, AccountResponse)
def create(said: dict[str, Any]) -> Account:
    """Open an account, for an officer or for somebody who is none."""
    actor = current_actor()
    require(actor, Act.ACCOUNT_MANAGE)
    with unit_of_work() as session:
        return create_account(
            session,
            said["username"],
            said["password"],
            {Role(role) for role in said["roles"]},
            officer_id=said["officer_id"],
            by=actor,
        )


@blp.put("/own/password")
@blp.arguments(PasswordChange)
@blp.response(200, TokenResponse)
def renew(sent: dict[str, str]) -> dict[str, object]:
    """Give oneself a new password. Every login of the account ends; the answer has a new token."""
    token, secret = renew_password(sent["old"], sent["new"])
    return {"id": token.id, "token": secret, "expires_at": token.expires_at}


@blp.patch("/<uuid:account_id>")
@blp.arguments(AccountChange)
@blp.response(200, AccountResponse)
def change_one(said: dict[str, Any], account_id: UUID) -> Account:
    """Change roles, officer or password, shut out, let in again.

    Another password or officer ends the logins that are open.
    """
    actor = current_actor()
    require(actor, Act.ACCOUNT_MANAGE)
    if "roles" in said:
        said["roles"] = {Role(role) for role in said["roles"]}
    with unit_of_work() as session:
        account = session.get(Account, account_id)
        if account is None:
            raise NotFound()
        return change(session, account, actor, said)
