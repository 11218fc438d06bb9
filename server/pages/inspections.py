"""Inspections: the list, and one with its footage."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request
from sqlalchemy import select

from evidence.errors import InvalidInput
from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.exhibits.reach import visible_to
from evidence.exhibits.timeline import timeline
from evidence.inspections import finding
from evidence.inspections.finding import Filters
from evidence.inspections.models import InspectionResult
from evidence.people import access
from evidence.people.access import Act
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.presentation.actors import named

blp = Blueprint("inspections", __name__, url_prefix="/inspections")
blp.before_request(require_login)

PAGE = 30


@blp.get("")
def listed() -> str:
    results = {r.value: r for r in InspectionResult}
    filters = Filters(
        text=request.args.get("text", "")[:100],
        result=results.get(request.args.get("result", "")),
    )
    actor = current_actor()
    try:
        page = finding.search(db.session(), actor, filters, request.args.get("cursor"), PAGE)
    except InvalidInput:
        page = finding.search(db.session(), actor, filters, None, PAGE)
    return render_template("inspections/list.html", page=page, filters=filters)


@blp.get("/<uuid:inspection_id>")
def one(inspection_id: UUID) -> str:
    actor, session = current_actor(), db.session()
    inspection = finding.find(session, inspection_id, actor)
    exhibits: list[Exhibit] = []
    if access.allows(actor, Act.EXHIBIT_VIEW):
        exhibits = list(
            session.scalars(
                select(Exhibit)
                .join(ExhibitLink)
                .where(
                    ExhibitLink.inspection_id == inspection.id,
                    ExhibitLink.unlinked_at.is_(None),
                    visible_to(actor),
                )
                .order_by(Exhibit.recorded_at)
            )
        )
    return render_template(
        "inspections/one.html",
        inspection=inspection,
        exhibits=exhibits,
        entries=named(timeline(session, [inspection.id])),
    )
