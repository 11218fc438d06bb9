"""Officers and the certificates that license them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from sqlalchemy.orm import Session

from evidence.errors import InvalidInput
from evidence.paging import Page
from evidence.people import directory
from evidence.people.models import Officer, OfficerStatus, Unit
from evidence.roster import registering
from schemas.people import (
    OfficerChange,
    OfficerPage,
    OfficerQuery,
    OfficerRequest,
    OfficerResponse,
)
from server.accounts.changing import require_an_administrator
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.unit_of_work import unit_of_work

blp = Blueprint(
    "officer", __name__, url_prefix="/api/v1/officers", description="Law-enforcement officers"
)
blp.before_request(require_login)


@blp.get("")
@blp.arguments(OfficerQuery, location="query")
@blp.response(200, OfficerPage)
def listed(query: dict[str, Any]) -> Page[Officer]:
    """Officers within your reach, by badge."""
    return directory.officers(db.session(), current_actor(), **query)


@blp.get("/<uuid:officer_id>")
@blp.response(200, OfficerResponse)
def one(officer_id: UUID) -> Officer:
    """One officer."""
    return directory.find_officer(db.session(), officer_id, current_actor())


@blp.post("")
@blp.arguments(OfficerRequest)
@blp.response(201, OfficerResponse)
def register(said: dict[str, Any]) -> Officer:
    """Enter an officer, with the certificates that license him or her."""
    actor = current_actor()
    with unit_of_work() as session:
        unit = _unit(session, said["unit_id"])
        return registering.register_officer(
            session,
            unit,
            actor,
            name=said["name"],
            badge=said["badge"],
            certificates=said["certificates"],
        )


@blp.patch("/<uuid:officer_id>")
@blp.arguments(OfficerChange)
@blp.response(200, OfficerResponse)
def change(said: dict[str, Any], officer_id: UUID) -> Officer:
    """Change an officer's name, unit, certificates, or whether he or she is still there."""
    actor = current_actor()
    with unit_of_work() as session:
        officer = directory.find_officer(session, officer_id, actor)
        if "unit_id" in said:
            _unit(session, said["unit_id"])
        officer = registering.change_officer(session, officer, actor, said)
        if officer.status is OfficerStatus.LEFT:
            require_an_administrator(session)
        return officer


def _unit(session: Session, unit_id: UUID) -> Unit:
    if (unit := session.get(Unit, unit_id)) is None:
        raise InvalidInput("There is no such unit.")
    return unit
