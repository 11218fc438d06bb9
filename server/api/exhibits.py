"""Exhibits: found, looked at, attached to a case or an inspection, taken off again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from sqlalchemy.orm import Session

import evidence.cases.finding
import evidence.cases.linking
import evidence.inspections.finding
import evidence.inspections.linking
from evidence.errors import NotFound
from evidence.exhibits import contradictions, finding, linking, viewing
from evidence.exhibits.finding import Filters
from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.exhibits.timeline import timeline
from evidence.paging import Page
from evidence.people.access import Act
from evidence.people.actor import Actor
from schemas.exhibits import (
    BulkLinkRequest,
    CustodyResponse,
    ExhibitPage,
    ExhibitQuery,
    ExhibitResponse,
    LinkRequest,
    LinkResponse,
    UnlinkRequest,
)
from server.accounts.current import current_actor, require_login
from server.extensions import db, store
from server.unit_of_work import unit_of_work

blp = Blueprint(
    "exhibit", __name__, url_prefix="/api/v1/exhibits", description="Originals and their custody"
)
blp.before_request(require_login)


@blp.get("")
@blp.arguments(ExhibitQuery, location="query")
@blp.response(200, ExhibitPage)
def listed(query: dict[str, Any]) -> Page[Exhibit]:
    """Exhibits within your reach, newest received first."""
    cursor, limit = query.pop("cursor"), query.pop("limit")
    return finding.search(db.session(), current_actor(), Filters(**query), cursor, limit)


@blp.get("/<uuid:exhibit_id>")
@blp.response(200, ExhibitResponse)
def one(exhibit_id: UUID) -> Exhibit:
    """One exhibit. Looking at it is an event of its custody."""
    actor = current_actor()
    with unit_of_work() as session:
        exhibit = finding.find(session, exhibit_id, actor)
        viewing.record_view(session, exhibit, actor)
    return exhibit


@blp.get("/<uuid:exhibit_id>/custody")
@blp.response(200, CustodyResponse)
def custody(exhibit_id: UUID) -> dict[str, object]:
    """Every event of the exhibit, in the order of the log, and where its row contradicts them."""
    session = db.session()
    exhibit = finding.allowed(session, exhibit_id, current_actor(), Act.CUSTODY_VIEW)
    entries = timeline(session, [exhibit.id])
    found = contradictions.look_into(session, store(), exhibit, [entry.event for entry in entries])
    return {"events": entries, "contradictions": found}


@blp.post("/<uuid:exhibit_id>/links")
@blp.arguments(LinkRequest)
@blp.response(201, LinkResponse)
def attach(request: dict[str, Any], exhibit_id: UUID) -> ExhibitLink:
    """Attach an exhibit to a case by its number, or to an inspection."""
    return _attach([exhibit_id], **request)[0]


@blp.post("/links")
@blp.arguments(BulkLinkRequest)
@blp.response(201, LinkResponse(many=True))
def attach_several(request: dict[str, Any]) -> list[ExhibitLink]:
    """Attach several exhibits at once: all of them or, naming what stands in the way, none."""
    return _attach(request.pop("exhibit_ids"), **request)


def _attach(
    exhibit_ids: list[UUID], case_number: str | None, inspection_id: UUID | None, note: str
) -> list[ExhibitLink]:
    actor = current_actor()
    with unit_of_work() as session:
        exhibits = _found(session, list(dict.fromkeys(exhibit_ids)), actor)
        if case_number is not None:
            case = evidence.cases.finding.find_by_number(session, case_number, actor)
            return evidence.cases.linking.link_exhibits(session, case, exhibits, actor, note)
        assert inspection_id is not None  # noqa: S101  (the schema asks for one of the two)
        inspection = evidence.inspections.finding.find(session, inspection_id, actor)
        link_exhibits = evidence.inspections.linking.link_exhibits
        return link_exhibits(session, inspection, exhibits, actor, note)


def _found(session: Session, ids: list[UUID], actor: Actor) -> list[Exhibit]:
    """All of them. Raises NotFound, naming those that are not there for this actor."""
    found, missing = [], []
    for exhibit_id in ids:
        try:
            found.append(finding.find(session, exhibit_id, actor))
        except NotFound:
            missing.append({"exhibit": str(exhibit_id), "code": NotFound.code})
    if missing:
        raise NotFound(refused=missing)
    return found


@blp.delete("/<uuid:exhibit_id>/links/<uuid:link_id>")
@blp.arguments(UnlinkRequest)
@blp.response(200, LinkResponse)
def detach(request: dict[str, Any], exhibit_id: UUID, link_id: UUID) -> ExhibitLink:
    """Take an exhibit off, giving the reason. The row of the link stays."""
    actor = current_actor()
    with unit_of_work() as session:
        exhibit = finding.find(session, exhibit_id, actor)
        link = linking.find_link(session, link_id, exhibit)
        off = evidence.cases.linking if link.case_id else evidence.inspections.linking
        return off.unlink(session, link, actor, request["reason"])
