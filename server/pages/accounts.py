"""Accounts: an administrator's page of one, opening one, and everybody's page of the own."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import or_, select
from werkzeug.wrappers import Response

from evidence import clock
from evidence.custody.kinds import Kind
from evidence.errors import EvidenceError, LoginFailed, NotFound
from evidence.exhibits.timeline import timeline
from evidence.people.access import Act, require
from evidence.people.actor import Role
from evidence.people.models import Officer, OfficerStatus
from schemas.accounts import AccountChange, AccountRequest
from server.accounts import tokens
from server.accounts.changing import change
from server.accounts.creation import create_account
from server.accounts.current import current_actor, current_token, require_login
from server.accounts.models import Account, Token
from server.accounts.own import renew_password
from server.extensions import db
from server.pages.seen import as_seen, require_as_seen
from server.presentation.actors import named
from server.presentation.forms import Unfilled, filled
from server.presentation.presenting import error_words
from server.unit_of_work import unit_of_work

blp = Blueprint("accounts_page", __name__, url_prefix="/accounts")
blp.before_request(require_login)

# Read out and typed: no letter or digit that is taken for another. 16 of them are 78 bits.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def _first_password() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


@blp.get("")
def listed() -> str:
    return _list()


def _list(error: str = "") -> str:
    require(current_actor(), Act.ACCOUNT_MANAGE)
    session = db.session()
    return render_template(
        "accounts/list.html",
        accounts=session.scalars(select(Account).order_by(Account.username)).all(),
        officers=_officers(),
        error=error,
    )


def _officers(own_id: UUID | None = None) -> list[Officer]:
    """Whose an account may be; also who has left, where the account is his or hers."""
    here = or_(Officer.status == OfficerStatus.ACTIVE, Officer.id == own_id)
    return list(db.session.scalars(select(Officer).where(here).order_by(Officer.badge)))


def _names() -> dict[str, str]:
    rows = db.session.execute(select(Officer.id, Officer.name))
    return {str(row.id): row.name for row in rows}


def _said() -> dict[str, Any]:
    return {
        "roles": request.form.getlist("role"),
        "officer_id": request.form.get("officer") or None,
    }


def _with_roles(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "roles": {Role(role) for role in said["roles"]}}


@blp.post("")
def create() -> str | tuple[str, int]:
    """Open an account; its first password is shown this once."""
    actor, password = current_actor(), _first_password()
    require(actor, Act.ACCOUNT_MANAGE)
    name = request.form.get("username", "").strip()
    try:
        said = filled(AccountRequest(), {**_said(), "username": name, "password": password})
        with unit_of_work() as session:
            account = create_account(session, by=actor, **_with_roles(said))
    except Unfilled as unfilled:
        return _list(str(unfilled)), 422
    except EvidenceError as error:
        return _list(error_words(error)), 422
    return _one(account.id, password=password)


@blp.get("/<uuid:account_id>")
def one(account_id: UUID) -> str:
    return _one(account_id)


def _one(account_id: UUID, error: str = "", password: str = "") -> str:
    require(current_actor(), Act.ACCOUNT_MANAGE)
    account = db.session.get(Account, account_id)
    if account is None:
        raise NotFound
    seen = as_seen(db.session(), account, Kind.ACCOUNT_CHANGED)
    return render_template(
        "accounts/one.html",
        account=account,
        officers=_officers(account.officer_id),
        entries=named(timeline(db.session(), [account_id])),
        officer_names=_names(),
        seen=seen,
        password=password,
        own_id=_own_id(),
        error=error,
    )


@blp.get("/<uuid:account_id>/password")
def given(account_id: UUID) -> Response:
    """Where the answer to the form stood: the password is not shown again."""
    return redirect(url_for("accounts_page.one", account_id=account_id))


@blp.post("/<uuid:account_id>")
def change_one(account_id: UUID) -> str | Response | tuple[str, int]:
    """Change an account's roles and officer, shut it or open it again."""
    said = {**_said(), "active": request.form.get("active", "")}
    return _changed(account_id, said)


@blp.post("/<uuid:account_id>/password")
def give_password(account_id: UUID) -> str | Response | tuple[str, int]:
    """Another password, shown this once; every login of the account ends."""
    if account_id == _own_id():
        return redirect(url_for("accounts_page.own"))
    return _changed(account_id, {"password": _first_password()})


def _changed(account_id: UUID, said: dict[str, Any]) -> str | Response | tuple[str, int]:
    actor = current_actor()
    require(actor, Act.ACCOUNT_MANAGE)
    try:
        meant = filled(AccountChange(), said)
        if "roles" in meant:
            meant = _with_roles(meant)
        with unit_of_work() as session:
            account = session.get(Account, account_id)
            if account is None:
                raise NotFound
            require_as_seen(session, account_id, Kind.ACCOUNT_CHANGED)
            change(session, account, actor, meant)
    except Unfilled as unfilled:
        return _one(account_id, str(unfilled)), 422
    except EvidenceError as error:
        return _one(account_id, error_words(error)), 422
    if "password" in meant:
        return _one(account_id, password=meant["password"])
    flash(_("The account is as shown here."))
    return redirect(url_for("accounts_page.one", account_id=account_id))


def _own_id() -> UUID | None:
    token = current_token()
    return token.account_id if token else None


@blp.get("/own")
def own() -> str:
    return _own()


def _own(error: str = "") -> str:
    token = current_token()
    if token is None or token.account is None:
        raise NotFound
    query = select(Token).where(
        Token.account_id == token.account_id,
        Token.revoked_at.is_(None),
        Token.expires_at > clock.now(),
    )
    return render_template(
        "accounts/own.html",
        account=token.account,
        this=token.id,
        in_my_name=_others_of(token.account),
        logins=db.session.scalars(query.order_by(Token.issued_at.desc()).limit(200)).all(),
        error=error,
    )


@blp.get("/own/password")
def renewed() -> Response:
    return redirect(url_for("accounts_page.own"))


@blp.post("/own/password")
def renew() -> str | Response | tuple[str, int]:
    """A new password in place of the old one; every other login ends."""
    form = request.form
    if form.get("new") != form.get("again"):
        return _own(_("The new password was not typed twice the same.")), 422
    try:
        renew_password(form.get("old", ""), form.get("new", ""))
    except LoginFailed:
        return _own(_("The old password is wrong.")), 422
    except EvidenceError as error:
        return _own(error_words(error)), 422
    flash(_("The new password holds. Every login of yours from before has ended."))
    return redirect(url_for("accounts_page.own"))


def _others_of(account: Account) -> list[Account]:
    """The other accounts whose acts stand under the same officer's name."""
    if account.officer_id is None:
        return []
    same = Account.officer_id == account.officer_id, Account.id != account.id
    return list(db.session.scalars(select(Account).where(*same).order_by(Account.username)))


@blp.post("/own/logins/<uuid:token_id>/end")
def end(token_id: UUID) -> Response:
    """End one of one's own logins."""
    actor, own_id = current_actor(), _own_id()
    with unit_of_work() as session:
        token = session.get(Token, token_id)
        if token is None or own_id is None or token.account_id != own_id:
            raise NotFound
        tokens.revoke(session, token_id, actor)
    return redirect(url_for("accounts_page.own"))
