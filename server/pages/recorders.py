"""Recorders: who has which one, checking out and in, one recorder's ledger."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from evidence.custody.kinds import Kind
from evidence.errors import EvidenceError, InvalidInput
from evidence.exhibits.timeline import timeline
from evidence.people import access
from evidence.people.access import Act, Reach
from evidence.people.models import Officer, OfficerStatus, Unit
from evidence.recorders import books, changing, finding, ledger
from evidence.recorders.models import Checkout, Recorder
from schemas.recorders import RecorderChange
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.late_recordings import attribute_all
from server.pages.seen import as_seen, require_as_seen
from server.presentation.actors import named
from server.presentation.forms import Unfilled, filled
from server.presentation.presenting import error_words
from server.unit_of_work import unit_of_work

blp = Blueprint("recorders", __name__, url_prefix="/recorders")
blp.before_request(require_login)

PAGE = 69


@blp.get("")
def listed() -> str:
    return _list()


def _list(error: str = "") -> str:
    actor, text = current_actor(), request.args.get("text", "")[:60]
    try:
        page = finding.search(
            db.session(), actor, text=text, cursor=request.args.get("cursor"), limit=PAGE
        )
    except InvalidInput:
        page = finding.search(db.session(), actor, text=text, limit=PAGE)
    out = db.session.scalars(
        select(Checkout)
        .where(
            Checkout.recorder_id.in_([r.id for r in page.items]), Checkout.checked_in_at.is_(None)
        )
        .options(joinedload(Checkout.officer))
    )
    units = _units() if access.allows(actor, Act.RECORDER_MANAGE) else []
    return render_template(
        "recorders/list.html",
        page=page,
        text=text,
        held={checkout.recorder_id: checkout for checkout in out},
        units=units,
        error=error,
    )


def _units() -> list[Unit]:
    return list(db.session.scalars(select(Unit).order_by(Unit.name)))


@blp.post("")
def register() -> str | Response | tuple[str, int]:
    """Enter a recorder into the register; what came from it before belongs to it then."""
    actor, form = current_actor(), request.form
    try:
        with unit_of_work() as session:
            unit = session.get(Unit, UUID(form.get("unit", "")))
            if unit is None:
                raise InvalidInput(_("Choose a unit."))
            recorder = ledger.register(
                session,
                form.get("number", ""),
                unit,
                actor,
                model=form.get("model", "")[:80],
                serial=form.get("serial", "")[:60],
            )
    except ValueError:
        return _list(_("Choose a unit.")), 422
    except EvidenceError as error:
        return _list(error_words(error)), 422
    flash(_("%(number)s is in the register.", number=recorder.number))
    if before := attribute_all(recorder.id, actor):
        flash(_("What came from it before belongs to it now: %(n)s.", n=before))
    return redirect(url_for("recorders.one", number=recorder.number))


@blp.get("/<number>")
def one(number: str) -> str:
    return _one(number)


def _one(number: str, error: str = "") -> str:
    actor, session = current_actor(), db.session()
    recorder: Recorder = finding.find(session, number, actor)
    manages = access.allows(actor, Act.RECORDER_MANAGE)
    seen = as_seen(session, recorder, Kind.RECORDER_CHANGED) if manages else 0
    rows = finding.checkouts(session, recorder, cursor=request.args.get("cursor"), limit=50)
    reach = Reach(unit_ids=frozenset({recorder.unit_id}))
    officers = session.scalars(
        select(Officer)
        .where(Officer.unit_id == recorder.unit_id, Officer.status == OfficerStatus.ACTIVE)
        .order_by(Officer.badge)
    ).all()
    units = _units() if manages else []
    return render_template(
        "recorders/one.html",
        recorder=recorder,
        rows=rows,
        held=ledger.open_checkout(session, recorder.id),
        may_check_out=access.allows(actor, Act.RECORDER_CHECK_OUT, reach),
        officers=officers,
        manages=manages,
        units=units,
        unit_names={str(unit.id): unit.name for unit in units},
        entries=named(timeline(session, [recorder.id], books.IN_THE_BOOKS)) if manages else [],
        seen=seen,
        error=error,
    )


@blp.post("/<number>")
def change(number: str) -> str | Response | tuple[str, int]:
    """Change its unit, whether it is in use, its model or serial number."""
    actor = current_actor()
    access.require(actor, Act.RECORDER_MANAGE)
    names = [name for name in ("unit", "status", "model", "serial") if name in request.form]
    try:
        said = filled(RecorderChange(), {name: request.form[name].strip() for name in names})
        with unit_of_work() as session:
            recorder = finding.find(session, number, actor)
            require_as_seen(session, recorder.id, Kind.RECORDER_CHANGED)
            if "unit_id" in said and session.get(Unit, said["unit_id"]) is None:
                raise InvalidInput(_("Choose a unit."))
            changing.change(session, recorder, actor, said)
    except Unfilled as unfilled:
        return _one(number, str(unfilled)), 422
    except EvidenceError as error:
        return _one(number, error_words(error)), 422
    flash(_("%(number)s is in the register as shown here.", number=recorder.number))
    return redirect(url_for("recorders.one", number=recorder.number))


@blp.post("/<number>/attributions")
def attribute(number: str) -> Response:
    """Give it what came from it before it was entered, where that was interrupted."""
    actor = current_actor()
    access.require(actor, Act.RECORDER_MANAGE)
    recorder = finding.find(db.session(), number, actor)
    given = attribute_all(recorder.id, actor)
    flash(_("What came from it before belongs to it now: %(n)s.", n=given))
    return redirect(url_for("recorders.one", number=recorder.number))


@blp.post("/<number>/check-out")
def check_out(number: str) -> str | Response | tuple[str, int]:
    """Hand the recorder to an officer, now."""
    actor = current_actor()
    try:
        with unit_of_work() as session:
            recorder = finding.find(session, number, actor)
            officer = session.get(Officer, UUID(request.form.get("officer", "")))
            if officer is None or officer.unit_id != recorder.unit_id:
                raise InvalidInput(_("Choose an officer of this unit."))
            purpose = request.form.get("purpose", "").strip()[:200]
            ledger.check_out(session, recorder, officer, actor, purpose=purpose)
    except ValueError:
        return _one(number, _("Choose an officer of this unit.")), 422
    except EvidenceError as error:
        return _one(number, error_words(error)), 422
    flash(_("%(number)s is with %(name)s now.", number=recorder.number, name=officer.name))
    return redirect(url_for("recorders.one", number=recorder.number))


@blp.post("/<number>/check-in")
def check_in(number: str) -> str | Response | tuple[str, int]:
    """Take the recorder back, now."""
    actor = current_actor()
    try:
        with unit_of_work() as session:
            recorder = finding.find(session, number, actor)
            ledger.check_in(session, recorder, actor)
    except EvidenceError as error:
        return _one(number, error_words(error)), 422
    flash(_("%(number)s is back.", number=recorder.number))
    return redirect(url_for("recorders.one", number=recorder.number))
