"""Exhibits: the list with its facets and bulk attaching, and one exhibit."""

from __future__ import annotations

import enum
from typing import Any, TypeVar
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import select
from werkzeug.wrappers import Response

from evidence.cases import finding as cases
from evidence.cases import linking as case_linking
from evidence.cases.models import Case
from evidence.dossier.requesting import of_subject
from evidence.errors import EvidenceError, InvalidInput, NotFound
from evidence.exhibits import contradictions, finding, linking, viewing
from evidence.exhibits.finding import Filters
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit, ExhibitLink, ExhibitState, Fixity, MediaState
from evidence.exhibits.reach import reach_of
from evidence.exhibits.timeline import timeline
from evidence.inspections import linking as inspection_linking
from evidence.inspections.models import Inspection
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor
from evidence.people.models import Unit
from evidence.recorders.ledger import wearer_at
from evidence.recorders.models import Recorder
from evidence.uploads.models import Upload
from server import jobs
from server.accounts.current import current_actor, require_login
from server.extensions import db, store
from server.presentation.actors import named
from server.presentation.contradicting import with_names
from server.presentation.presenting import error_words, with_arguments
from server.unit_of_work import unit_of_work

blp = Blueprint("exhibits", __name__, url_prefix="/exhibits")
blp.before_request(require_login)

PAGE = 24
E = TypeVar("E", bound=enum.Enum)


def _choice(kind: type[E], name: str) -> E | None:
    """A facet's value; one that does not exist is as if nothing were chosen."""
    try:
        return kind(request.args.get(name, ""))
    except ValueError:
        return None


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(request.args.get(name, ""))
    except ValueError:
        return None


def _filters() -> Filters:
    return Filters(
        text=request.args.get("text", "")[:200],
        state=_choice(ExhibitState, "state"),
        media_state=_choice(MediaState, "media_state"),
        fixity=_choice(Fixity, "fixity"),
        flag=_choice(Flag, "flag"),
        unit_id=_uuid("unit"),
        recorder_id=_uuid("recorder"),
        case_id=_uuid("case"),
    )


@blp.get("")
def listed() -> str:
    return _list()


def _list(
    chosen: frozenset[str] = frozenset(), number: str = "", note: str = "", error: str = ""
) -> str:
    actor, filters = current_actor(), _filters()
    try:
        page = finding.search(db.session(), actor, filters, request.args.get("cursor"), limit=PAGE)
    except InvalidInput:
        page = finding.search(db.session(), actor, filters, None, limit=PAGE)
    counted = finding.facets(db.session(), actor, filters)
    return render_template(
        "exhibits/list.html",
        page=page,
        filters=filters,
        counted=counted,
        units=_named(Unit, counted.units),
        recorders=_named(Recorder, counted.recorders),
        case=_case_of(filters.case_id),
        may_link=access.allows(actor, Act.EXHIBIT_LINK),
        may_play=access.allows(actor, Act.EXHIBIT_PLAY),
        chosen=chosen,
        number=number,
        note=note,
        error=error,
    )


def _case_of(case_id: UUID | None) -> Case | None:
    """The case that the list is narrowed to, where it is within one's reach."""
    if case_id is None:
        return None
    try:
        return cases.find(db.session(), case_id, current_actor())
    except NotFound:
        return None


def _named(table: Any, counts: Any) -> list[tuple[UUID, str, int]]:
    """Facet values with their names, the most frequent first."""
    rows = db.session.scalars(select(table).where(table.id.in_([k for k in counts if k])))
    named = [(row.id, getattr(row, "name", None) or row.number, counts[row.id]) for row in rows]
    return sorted(named, key=lambda n: (-n[2], n[1]))


@blp.get("/recognise")
def recognise() -> str:
    """What a case number that is being typed is understood as."""
    number = request.args.get("number", "").strip()
    if not number:
        return ""
    try:
        case = cases.find_by_number(db.session(), number, current_actor())
    except EvidenceError as error:
        return render_template("exhibits/recognised.html", case=None, error=error_words(error))
    return render_template("exhibits/recognised.html", case=case, error="")


@blp.post("/attach")
def attach() -> str | Response | tuple[str, int]:
    """Attach the selected exhibits to a case: all or none; what was typed is never lost."""
    actor = current_actor()
    number, note = request.form.get("number", ""), request.form.get("note", "")
    chosen = request.form.getlist("exhibit")
    try:
        if not chosen:
            raise InvalidInput(_("Select at least one exhibit first."))
        with unit_of_work() as session:
            case = cases.find_by_number(session, number, actor)
            found = [finding.find(session, UUID(i), actor) for i in dict.fromkeys(chosen)]
            case_linking.link_exhibits(session, case, found, actor, note.strip()[:500])
    except ValueError:
        return _list(frozenset(), number, note, _("The selection cannot be read.")), 422
    except EvidenceError as error:
        words = str(error) if not chosen else error_words(error)
        return _list(frozenset(chosen), number, note, words), 422
    flash(_attached(len(found), case))
    return redirect(with_arguments().replace("/exhibits/attach", "/exhibits"))


def _attached(count: int, case: Case) -> str:
    return ngettext(
        "%(num)d exhibit is attached to %(case)s.",
        "%(num)d exhibits are attached to %(case)s.",
        count,
        case=case.number,
    )


def _by_name(name: str) -> UUID:
    """The exhibit's id, from its id or its label. Raises NotFound."""
    try:
        return UUID(name)
    except ValueError:
        found = db.session.scalar(select(Exhibit.id).where(Exhibit.label == name.upper()))
        db.session.rollback()
        if found is None:
            raise NotFound from None
        return found


@blp.get("/<name>")
def one(name: str) -> str:
    """Opening an exhibit's page is an event of its custody."""
    actor, exhibit_id = current_actor(), _by_name(name)
    with unit_of_work() as session:
        exhibit = finding.find(session, exhibit_id, actor)
        viewing.record_view(session, exhibit, actor)
    return _one(exhibit, actor)


def _one(exhibit: Exhibit, actor: Actor, error: str = "", number: str = "", note: str = "") -> str:
    session = db.session()
    reach = reach_of(exhibit)
    acts = {act.value for act in Act if access.allows(actor, act, reach)}
    checkout = None
    if exhibit.recorder_id and exhibit.recorded_at:
        checkout = wearer_at(session, exhibit.recorder_id, exhibit.recorded_at)
    upload = session.get(Upload, exhibit.upload_id) if exhibit.upload_id else None
    targets: dict[UUID, Case | Inspection | None] = {
        link.id: session.get(Case, link.case_id)
        if link.case_id
        else session.get(Inspection, link.inspection_id)
        for link in exhibit.links
    }
    entries = named(timeline(session, [exhibit.id])) if Act.CUSTODY_VIEW in acts else None
    found = contradictions.look_into(session, store(), exhibit, [e.event for e in entries or ()])
    return render_template(
        "exhibits/one.html",
        exhibit=exhibit,
        acts=acts,
        checkout=checkout if checkout and checkout.officer_id == exhibit.officer_id else None,
        upload=upload,
        targets=targets,
        entries=entries,
        dossiers=of_subject(session, exhibit.id) if entries is not None else [],
        contradictions=with_names(session, found) if entries is not None else [],
        error=error,
        number=number,
        note=note,
    )


@blp.post("/<uuid:exhibit_id>/attach")
def attach_one(exhibit_id: UUID) -> str | Response | tuple[str, int]:
    """Attach this exhibit to a case; what was typed is never lost."""
    actor = current_actor()
    number, note = request.form.get("number", ""), request.form.get("note", "")
    try:
        with unit_of_work() as session:
            exhibit = finding.find(session, exhibit_id, actor)
            case = cases.find_by_number(session, number, actor)
            case_linking.link_exhibits(session, case, [exhibit], actor, note.strip()[:500])
    except EvidenceError as error:
        exhibit = finding.find(db.session(), exhibit_id, actor)
        return _one(exhibit, actor, error_words(error), number, note), 422
    flash(_attached(1, case))
    return redirect(url_for("exhibits.one", name=exhibit.label))


@blp.post("/<uuid:exhibit_id>/read-again")
def read_again(exhibit_id: UUID) -> Response:
    """Have the original read again before its turn; the worker does it."""
    exhibit = finding.allowed(db.session(), exhibit_id, current_actor(), Act.FIXITY_CHECK)
    jobs.read_again(exhibit.id)
    flash(_("The original is being read again. Reload this page to see what was found."))
    return redirect(url_for("exhibits.one", name=exhibit.label))


@blp.post("/<uuid:exhibit_id>/links/<uuid:link_id>/unlink")
def unlink(exhibit_id: UUID, link_id: UUID) -> str | Response | tuple[str, int]:
    """Take an exhibit off its case or inspection; the row stays, with the reason."""
    actor = current_actor()
    try:
        with unit_of_work() as session:
            exhibit = finding.find(session, exhibit_id, actor)
            link: ExhibitLink = linking.find_link(session, link_id, exhibit)
            off = case_linking if link.case_id else inspection_linking
            off.unlink(session, link, actor, request.form.get("reason", "")[:500])
    except InvalidInput as error:
        exhibit = finding.find(db.session(), exhibit_id, actor)
        return _one(exhibit, actor, error_words(error)), 422
    flash(_("The exhibit was taken off. The link stays on record, with your reason."))
    return redirect(url_for("exhibits.one", name=exhibit.label))
