"""Units of the bureau."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint

from evidence.errors import NotFound
from evidence.paging import Page
from evidence.people import directory
from evidence.people.models import Unit
from evidence.roster import registering
from schemas.members import PageQuery
from schemas.people import UnitChange, UnitPage, UnitRequest, UnitResponse
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.unit_of_work import unit_of_work

blp = Blueprint("unit", __name__, url_prefix="/api/v1/units", description="Units of the bureau")
blp.before_request(require_login)


@blp.get("")
@blp.arguments(PageQuery, location="query")
@blp.response(200, UnitPage)
def listed(query: dict[str, Any]) -> Page[Unit]:
    """The bureau's units, by name."""
    return directory.units(db.session(), current_actor(), **query)


@blp.post("")
@blp.arguments(UnitRequest)
@blp.response(201, UnitResponse)
def register(said: dict[str, Any]) -> Unit:
    """Enter a unit of the bureau."""
    actor = current_actor()
    with unit_of_work() as session:
        return registering.register_unit(
            session, said["name"], said["kind"], actor, said["hands_over_to_id"]
        )


@blp.patch("/<uuid:unit_id>")
@blp.arguments(UnitChange)
@blp.response(200, UnitResponse)
def change(said: dict[str, Any], unit_id: UUID) -> Unit:
    """Change a unit's name, kind, or to whom it hands over."""
    actor = current_actor()
    with unit_of_work() as session:
        if (unit := session.get(Unit, unit_id)) is None:
            raise NotFound
        return registering.change_unit(session, unit, actor, said)
