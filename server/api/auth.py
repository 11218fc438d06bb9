"""Logging in without a browser: a token for a password, and its end."""

from __future__ import annotations

from flask import request
from flask_smorest import Blueprint

from evidence.people.actor import Via
from schemas.accounts import TokenRequest, TokenResponse
from server.accounts import tokens
from server.accounts.current import account_actor, current_actor, current_token
from server.accounts.models import TokenKind
from server.accounts.passwords import admit, check_password
from server.unit_of_work import unit_of_work

blp = Blueprint("auth", __name__, url_prefix="/api/v1/auth", description="Tokens")


@blp.post("/token")
@blp.arguments(TokenRequest)
@blp.response(200, TokenResponse)
def log_in(sent: dict[str, str]) -> dict[str, object]:
    """A bearer token for a user name and password."""
    verified = check_password(sent["username"], sent["password"], request.remote_addr)
    with unit_of_work() as session:
        account = admit(session, verified)
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
