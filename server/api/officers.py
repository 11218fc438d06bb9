"""Officers and the certificates that license them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint

from evidence.paging import Page
from evidence.people import directory
from evidence.people.models import Officer
from schemas.people import OfficerPage, OfficerQuery, OfficerResponse
from server.accounts.current import current_actor, require_login
from server.extensions import db

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
