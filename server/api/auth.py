"""Tokens: got with a password, listed, revoked."""

from __future__ import annotations

from uuid import UUID

from flask_smorest import Blueprint
from sqlalchemy import select

from evidence.errors import NotFound
from evidence.people.actor import Via
from schemas.accounts import TokenListed, TokenRequest, TokenResponse
from server.accounts import tokens
from server.accounts.current import account_actor, current_actor, current_token
from server.accounts.models import Account, Token, TokenKind
from server.accounts.passwords import check_password
from server.extensions import db
from server.unit_of_work import unit_of_work

blp = Blueprint("auth", __name__, url_prefix="/api/v1/auth", description="Tokens")


@blp.post("/token")
@blp.arguments(TokenRequest)
@blp.response(200, TokenResponse)
def log_in(request: dict[str, str]) -> dict[str, object]:
    """A bearer token for a user name and password."""
    account = check_password(request["username"], request["password"])
    with unit_of_work() as session:
        account = session.get_one(Account, account.id)
        token, secret = tokens.issue(
            session, TokenKind.BEARER, account, account_actor(account, Via.API)
        )
    return {"id": token.id, "token": secret, "expires_at": token.expires_at}


@blp.delete("/token")
@blp.response(204)
def log_out() -> None:
    """Revoke the token that this request was sent with."""
    actor = current_actor()
    token = current_token()
    if token is not None:
        with unit_of_work() as session:
            tokens.revoke(session, token.id, actor)


@blp.get("/tokens")
@blp.response(200, TokenListed(many=True))
def own_tokens() -> list[Token]:
    """The tokens of one's own account, newest first."""
    token = _own()
    found = db.session.scalars(
        select(Token).where(
            Token.account_id == token.account_id, Token.station_id == token.station_id
        )
        if token.station_id
        else select(Token).where(Token.account_id == token.account_id)
    )
    return sorted(found, key=lambda t: t.issued_at, reverse=True)


@blp.delete("/tokens/<uuid:token_id>")
@blp.response(204)
def revoke(token_id: UUID) -> None:
    """Revoke one of one's own tokens."""
    own, actor = _own(), current_actor()
    with unit_of_work() as session:
        token = session.get(Token, token_id)
        if token is None or token.account_id is None or token.account_id != own.account_id:
            raise NotFound()
        tokens.revoke(session, token_id, actor)


def _own() -> Token:
    current_actor()
    token = current_token()
    if token is None:
        raise NotFound()
    return token
