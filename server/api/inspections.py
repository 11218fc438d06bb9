"""Inspections: recorded once under the client's id, found, attached to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint

from evidence.inspections import finding, recording
from evidence.inspections.finding import Filters
from evidence.inspections.models import Inspection
from evidence.inspections.recording import Record
from evidence.paging import Page
from schemas.inspections import (
    InspectionPage,
    InspectionQuery,
    InspectionRequest,
    InspectionResponse,
)
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.unit_of_work import unit_of_work

blp = Blueprint(
    "inspection", __name__, url_prefix="/api/v1/inspections", description="Inspections on site"
)
blp.before_request(require_login)


@blp.get("")
@blp.arguments(InspectionQuery, location="query")
@blp.response(200, InspectionPage)
def listed(query: dict[str, Any]) -> Page[Inspection]:
    """Inspections within your reach, newest first."""
    cursor, limit = query.pop("cursor"), query.pop("limit")
    return finding.search(db.session(), current_actor(), Filters(**query), cursor, limit)


@blp.post("")
@blp.arguments(InspectionRequest)
@blp.response(201, InspectionResponse)
@blp.alt_response(200, schema=InspectionResponse, description="The same record, sent before.")
def record(request: dict[str, Any]) -> tuple[Inspection, int]:
    """Record an inspection for your own unit; sent twice it is one."""
    actor = current_actor()
    with unit_of_work() as session:
        inspection, new = recording.record(session, actor, Record(**request))
    return inspection, 201 if new else 200


@blp.get("/<uuid:inspection_id>")
@blp.response(200, InspectionResponse)
def one(inspection_id: UUID) -> Inspection:
    """One inspection."""
    return finding.find(db.session(), inspection_id, current_actor())
