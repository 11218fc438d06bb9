"""Units of the bureau."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint

from evidence.paging import Page
from evidence.people import directory
from evidence.people.models import Unit
from schemas.members import PageQuery
from schemas.people import UnitPage
from server.accounts.current import current_actor, require_login
from server.extensions import db

blp = Blueprint("unit", __name__, url_prefix="/api/v1/units", description="Units of the bureau")
blp.before_request(require_login)


@blp.get("")
@blp.arguments(PageQuery, location="query")
@blp.response(200, UnitPage)
def listed(query: dict[str, Any]) -> Page[Unit]:
    """The bureau's units, by name."""
    return directory.units(db.session(), current_actor(), **query)
