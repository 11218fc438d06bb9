"""Cases: the list, filing one, and one with its evidence and custody."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload
from werkzeug.wrappers import Response

from evidence import clock
from evidence.cases import finding
from evidence.cases.cases import Filing, file_case
from evidence.cases.finding import Filters
from evidence.cases.models import Sector, Stage
from evidence.cases.reach import reach_of
from evidence.cases.timeline import case_timeline, record_view
from evidence.clock import SHANGHAI
from evidence.dossier.requesting import of_subject
from evidence.errors import EvidenceError, InvalidInput
from evidence.exhibits.contradictions import look_into_all
from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.exhibits.reach import visible_to
from evidence.exhibits.timeline import Entry, digests_agree
from evidence.people import access
from evidence.people.access import Act
from server.accounts.current import current_actor, require_login
from server.extensions import db, store
from server.presentation import timeline_picture
from server.presentation.actors import named
from server.presentation.presenting import error_words
from server.unit_of_work import unit_of_work

blp = Blueprint("cases", __name__, url_prefix="/cases")
blp.before_request(require_login)

PAGE = 30
# Exhibits shown with their pictures on the page of a case; all of them are held against the log.
MOST = 60


@blp.get("")
def listed() -> str:
    return _list({})


def _list(typed: dict[str, str], error: str = "") -> str:
    actor = current_actor()
    stages = {s.value: s for s in Stage}
    filters = Filters(
        text=request.args.get("text", "")[:100], stage=stages.get(request.args.get("stage", ""))
    )
    try:
        page = finding.search(db.session(), actor, filters, request.args.get("cursor"), PAGE)
    except InvalidInput:
        page = finding.search(db.session(), actor, filters, None, PAGE)
    return render_template(
        "cases/list.html",
        page=page,
        filters=filters,
        may_file=access.allows(actor, Act.CASE_FILE),
        today=clock.now().astimezone(SHANGHAI).date().isoformat(),
        typed=typed,
        error=error,
    )


@blp.post("")
def file() -> str | Response | tuple[str, int]:
    """File a case for one's own unit."""
    actor, typed = current_actor(), {k: v[:200] for k, v in request.form.items()}
    try:
        filing = Filing(
            number=typed.get("number", ""),
            party=typed.get("party", "").strip(),
            sector=Sector(typed.get("sector", "")),
            filed_on=dt.date.fromisoformat(typed.get("filed_on", "")),
        )
        if not filing.party:
            return _list(typed, _("Say who the party is.")), 422
        with unit_of_work() as session:
            case = file_case(session, actor, filing)
    except ValueError:
        return _list(typed, _("Choose a sector and a date.")), 422
    except EvidenceError as error:
        return _list(typed, error_words(error)), 422
    flash(_("The case %(number)s is filed.", number=case.number))
    return redirect(url_for("cases.one", case_id=case.id))


@blp.get("/<uuid:case_id>")
def one(case_id: UUID) -> str:
    """One case: facts, evidence, and every act on it."""
    actor = current_actor()
    with unit_of_work() as session:
        case = finding.find(session, case_id, actor)
        record_view(session, case, actor)
    exhibits = db.session.scalars(
        select(Exhibit)
        .join(ExhibitLink)
        .where(ExhibitLink.case_id == case.id, ExhibitLink.unlinked_at.is_(None), visible_to(actor))
        .order_by(Exhibit.recorded_at, Exhibit.label)
        .options(joinedload(Exhibit.officer), selectinload(Exhibit.links))
    ).all()
    entries, picture, contradicted = None, None, []
    if access.allows(actor, Act.CUSTODY_VIEW, reach_of(case)):
        entries = named(case_timeline(db.session(), case, actor))
        picture = timeline_picture.draw(entries, _("Case"))
        contradicted = _contradicted(exhibits, entries)
    return render_template(
        "cases/one.html",
        case=case,
        exhibits=exhibits,
        most=MOST,
        agree=digests_agree(exhibits),
        entries=entries,
        picture=picture,
        contradicted=contradicted,
        may_make_dossier=access.allows(actor, Act.DOSSIER_MAKE, reach_of(case)),
        dossiers=of_subject(db.session(), case.id) if entries is not None else [],
    )


def _contradicted(exhibits: Sequence[Exhibit], entries: Sequence[Entry]) -> list[Exhibit]:
    events = defaultdict(list)
    for entry in entries:
        events[entry.event.subject_id].append(entry.event)
    histories = [(exhibit, events[exhibit.id]) for exhibit in exhibits]
    found = look_into_all(db.session(), store(), histories)
    return [exhibit for exhibit, problems in zip(exhibits, found, strict=True) if problems]
