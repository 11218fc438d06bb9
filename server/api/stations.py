"""Dock stations and their tokens: an administrator's work."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from sqlalchemy import select

from evidence.errors import NotFound
from evidence.people.access import Act, require
from schemas.accounts import StationListed, StationRequest, StationResponse
from server.accounts import tokens
from server.accounts.creation import create_station, next_token, token_file
from server.accounts.current import current_actor, require_login
from server.accounts.models import Station, Token, TokenKind
from server.extensions import db, signer
from server.unit_of_work import unit_of_work

blp = Blueprint("stations", __name__, url_prefix="/api/v1/stations", description="Dock stations")
blp.before_request(require_login)


@blp.get("")
@blp.response(200, StationListed(many=True))
def listed() -> list[Station]:
    """Every station."""
    require(current_actor(), Act.ACCOUNT_MANAGE)
    return list(db.session.scalars(select(Station).order_by(Station.name)))


@blp.post("")
@blp.arguments(StationRequest)
@blp.response(201, StationResponse)
def create(request: dict[str, Any]) -> dict[str, object]:
    """A new station, and the token file for it, shown once."""
    actor = current_actor()
    with unit_of_work() as session:
        station = create_station(session, request["name"], request["unit_id"], actor)
        token, secret = tokens.issue(session, TokenKind.STATION, station, actor)
    return _once(station, token, secret)


@blp.post("/<uuid:station_id>/tokens")
@blp.response(201, StationResponse)
def issue(station_id: UUID) -> dict[str, object]:
    """Another token of a station, shown once; those before stay good until they end."""
    with unit_of_work() as session:
        station, token, secret = next_token(session, station_id, current_actor())
    return _once(station, token, secret)


def _once(station: Station, token: Token, secret: str) -> dict[str, object]:
    return {
        "id": station.id,
        "name": station.name,
        "token": secret,
        "token_file": token_file(secret, signer().verifier_key),
        "expires_at": token.expires_at,
    }


@blp.delete("/<uuid:station_id>/tokens")
@blp.response(204)
def revoke(station_id: UUID) -> None:
    """Revoke every token of a station."""
    actor = current_actor()
    require(actor, Act.ACCOUNT_MANAGE)
    with unit_of_work() as session:
        if session.get(Station, station_id) is None:
            raise NotFound()
        for token_id in session.scalars(select(Token.id).where(Token.station_id == station_id)):
            tokens.revoke(session, token_id, actor)
