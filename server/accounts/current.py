"""Who is asking: from the session cookie or a bearer token, and from nothing else."""

from __future__ import annotations

from flask import g, request, session
from sqlalchemy import select

from evidence.errors import NotAuthenticated
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.people.models import Unit
from server.accounts import tokens
from server.accounts.models import Account, Token, TokenKind
from server.accounts.passwords import admit, check_password
from server.extensions import db
from server.unit_of_work import unit_of_work

_COOKIE = "token"


def bearer() -> str | None:
    """The secret of an Authorization: Bearer header."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip() else None


def current_token() -> Token | None:
    """The valid token of this request. A cookie's is no bearer token, nor the other way round."""
    if "token" not in g:
        sent = bearer()
        secret = sent or session.get(_COOKIE)
        found = tokens.find(db.session(), secret) if secret else None
        if found is not None and (found.kind is TokenKind.SESSION) == (sent is not None):
            found = None
        g.token = found
    token: Token | None = g.token
    return token


def current_actor() -> Actor:
    """Who acts. Raises NotAuthenticated."""
    if "actor" not in g:
        token = current_token()
        if token is None:
            raise NotAuthenticated()
        g.actor = _actor(token)
    actor: Actor = g.actor
    return actor


def require_login() -> None:
    """For before_request: who is nobody learns nothing, not even what was wrong with the request.

    Raises NotAuthenticated.
    """
    current_actor()


def actor_or_none() -> Actor | None:
    return current_actor() if current_token() is not None else None


def _actor(token: Token) -> Actor:
    if token.station is not None:
        return Actor(
            type=ActorType.SYSTEM,
            id=token.station.id,
            via=Via.DOCK,
            name=token.station.name,
            roles=frozenset({Role.STATION}),
            unit_id=token.station.unit_id,
        )
    if token.account is None:
        raise NotAuthenticated()
    via = Via.CONSOLE if token.kind is TokenKind.SESSION else Via.API
    return account_actor(token.account, via)


def account_actor(account: Account, via: Via) -> Actor:
    """The actor whom an account makes: its officer, or itself where there is none."""
    officer = account.officer
    roles = frozenset(Role(r) for r in account.roles)
    if officer is None:
        return Actor(
            type=ActorType.SYSTEM, id=account.id, via=via, name=account.username, roles=roles
        )
    handed = db.session.scalars(select(Unit.id).where(Unit.hands_over_to_id == officer.unit_id))
    return Actor(
        type=ActorType.OFFICER,
        id=officer.id,
        via=via,
        name=officer.name,
        roles=roles,
        unit_id=officer.unit_id,
        hands_over=frozenset(handed),
    )


def sign_in(username: str, password: str) -> Account:
    """Log in with a session of the console's. Raises LoginFailed, LoginRefused."""
    verified = check_password(username, password, request.remote_addr)
    sign_out()
    with unit_of_work() as work:
        account = admit(work, verified)
        _, secret = tokens.issue(
            work, TokenKind.SESSION, account, account_actor(account, Via.CONSOLE)
        )
    remember(secret)
    return account


def remember(secret: str) -> None:
    """Go on as whoever `secret` stands for, in this browser."""
    # A fresh session: what a stranger may have planted in the old one is gone.
    session.clear()
    session[_COOKIE] = secret
    session.permanent = True
    g.pop("token", None)
    g.pop("actor", None)


def sign_out() -> None:
    """End the session here and on the server."""
    token = current_token()
    if token is not None and token.kind is TokenKind.SESSION:
        actor = current_actor()
        with unit_of_work() as work:
            tokens.revoke(work, token.id, actor)
    session.clear()
    g.pop("token", None)
    g.pop("actor", None)
