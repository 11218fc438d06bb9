"""The tokens of one's own account: listed, and revoked."""

from __future__ import annotations

from uuid import UUID

from flask_smorest import Blueprint
from sqlalchemy import select

from evidence.errors import NotFound
from schemas.accounts import TokenListed
from server.accounts import tokens
from server.accounts.current import current_actor, current_token, require_login
from server.accounts.models import Token
from server.extensions import db
from server.unit_of_work import unit_of_work

blp = Blueprint("tokens", __name__, url_prefix="/api/v1/tokens", description="One's own tokens")
blp.before_request(require_login)


@blp.get("")
@blp.response(200, TokenListed(many=True))
def listed() -> list[Token]:
    """Newest first; those that have ended, too."""
    own = _own()
    query = select(Token).where(
        Token.account_id == own.account_id if own.account_id else Token.station_id == own.station_id
    )
    return list(db.session.scalars(query.order_by(Token.issued_at.desc()).limit(200)))


@blp.delete("/<uuid:token_id>")
@blp.response(204)
def revoke(token_id: UUID) -> None:
    """End one of one's own: it is refused from now on. A station's are an administrator's."""
    own, actor = _own(), current_actor()
    with unit_of_work() as session:
        token = session.get(Token, token_id)
        if token is None or token.account_id is None or token.account_id != own.account_id:
            raise NotFound()
        tokens.revoke(session, token_id, actor)


def _own() -> Token:
    token = current_token()
    if token is None:
        raise NotFound()
    return token
