"""Cases: filed, found by their number, changed, and their whole custody."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint

from evidence.cases import cases, finding
from evidence.cases import timeline as custody_of
from evidence.cases.cases import Change, Filing
from evidence.cases.finding import Filters
from evidence.cases.models import Case
from evidence.paging import Page
from schemas.cases import CaseChange, CasePage, CaseQuery, CaseRequest, CaseResponse
from schemas.custody import EventResponse
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.unit_of_work import unit_of_work

blp = Blueprint("case", __name__, url_prefix="/api/v1/cases", description="Penalty cases")
blp.before_request(require_login)


@blp.get("")
@blp.arguments(CaseQuery, location="query")
@blp.response(200, CasePage)
def listed(query: dict[str, Any]) -> Page[Case]:
    """Cases within your reach, newest first; with `number`, the one case or an error."""
    cursor, limit, number = query.pop("cursor"), query.pop("limit"), query.pop("number")
    actor = current_actor()
    if number is not None:
        return Page(items=[finding.find_by_number(db.session(), number, actor)])
    return finding.search(db.session(), actor, Filters(**query), cursor, limit)


@blp.post("")
@blp.arguments(CaseRequest)
@blp.response(201, CaseResponse)
def file(request: dict[str, Any]) -> Case:
    """File a case for your own unit, which must be one that handles cases."""
    actor = current_actor()
    with unit_of_work() as session:
        return cases.file_case(session, actor, Filing(**request))


@blp.get("/<uuid:case_id>")
@blp.response(200, CaseResponse)
def one(case_id: UUID) -> Case:
    """One case. Looking at it is an event."""
    actor = current_actor()
    with unit_of_work() as session:
        case = finding.find(session, case_id, actor)
        custody_of.record_view(session, case, actor)
    return case


@blp.patch("/<uuid:case_id>")
@blp.arguments(CaseChange)
@blp.response(200, CaseResponse)
def change(request: dict[str, Any], case_id: UUID) -> Case:
    """Change stage, party, sector, handler, or the reviewer the case is sent to."""
    actor = current_actor()
    with unit_of_work() as session:
        case = finding.find(session, case_id, actor)
        return cases.change(session, case, actor, Change(**request))


@blp.get("/<uuid:case_id>/custody")
@blp.response(200, EventResponse(many=True))
def custody(case_id: UUID) -> Any:
    """Every event of the case and of every exhibit ever linked to it, in the order of the log."""
    actor = current_actor()
    with unit_of_work() as session:
        case = finding.find(session, case_id, actor)
        entries = custody_of.case_timeline(session, case, actor)
        custody_of.record_view(session, case, actor)
    return entries
