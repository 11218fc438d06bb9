"""One dossier's page: how far it is, what it holds, how it is verified, and who signed for it."""

from __future__ import annotations

from uuid import UUID, uuid4

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from evidence.cases import finding as cases
from evidence.cases.models import Case
from evidence.dossier import requesting
from evidence.dossier.models import Dossier
from evidence.errors import EvidenceError, NotFound
from evidence.exhibits import finding as exhibits
from evidence.exhibits.models import Exhibit
from evidence.exhibits.timeline import timeline
from evidence.people.access import Act
from server import handing_out
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.presentation.actors import named
from server.presentation.presenting import error_words
from server.unit_of_work import unit_of_work

blp = Blueprint("dossiers", __name__, url_prefix="/dossiers")
blp.before_request(require_login)


@blp.post("")
def ask() -> Response | tuple[str, int]:
    """Ask for one, of the exhibit or the case that the form names."""
    reason, of = request.form.get("reason", ""), None
    try:
        with unit_of_work():
            of = _subject()
            dossier = handing_out.ask_for(of, reason, _id("id") or uuid4())
    except EvidenceError as error:
        if of is None:
            raise
        return render_template(
            "dossiers/ask.html", of=of, reason=reason, error=error_words(error), id=uuid4()
        ), 422
    return redirect(url_for("dossiers.one", dossier_id=dossier.id))


def _id(name: str) -> UUID | None:
    try:
        return UUID(request.values.get(name, ""))
    except ValueError:
        return None


def _subject() -> Exhibit | Case:
    """Raises NotFound."""
    actor = current_actor()
    if (case_id := _id("case")) is not None:
        return cases.find(db.session(), case_id, actor)
    if (exhibit_id := _id("exhibit")) is not None:
        return exhibits.find(db.session(), exhibit_id, actor)
    raise NotFound


@blp.get("/ask")
def form() -> str:
    """What will happen, and the reason that is needed."""
    return render_template("dossiers/ask.html", of=_subject(), reason="", error="", id=uuid4())


@blp.get("/<uuid:dossier_id>")
def one(dossier_id: UUID) -> str:
    dossier = requesting.find(db.session(), dossier_id, current_actor())
    return _one(dossier)


def _one(dossier: Dossier, error: str = "") -> str:
    session, may_take = db.session(), True
    try:
        requesting.find(session, dossier.id, current_actor(), Act.DOSSIER_MAKE)
    except EvidenceError:
        may_take = False
    return render_template(
        "dossiers/one.html",
        dossier=dossier,
        case=session.get(Case, dossier.case_id) if dossier.case_id else None,
        exhibit=session.get(Exhibit, dossier.exhibit_id) if dossier.exhibit_id else None,
        entries=named(timeline(session, [dossier.id])),
        folder=handing_out.folder_name(dossier),
        may_take=may_take,
        error=error,
    )


@blp.post("/<uuid:dossier_id>/receipts")
def sign(dossier_id: UUID) -> Response | tuple[str, int]:
    """Whoever received it signs for it."""
    actor = current_actor()
    recipient, organisation = (request.form.get(n, "") for n in ("recipient", "organisation"))
    try:
        with unit_of_work() as session:
            dossier = requesting.find(session, dossier_id, actor, Act.DOSSIER_MAKE)
            requesting.sign_for(session, dossier, recipient, organisation, actor)
    except EvidenceError as error:
        dossier = requesting.find(db.session(), dossier_id, actor)
        return _one(dossier, error_words(error)), 422
    flash(_("%(name)s has signed for the dossier.", name=recipient.strip()))
    return redirect(url_for("dossiers.one", dossier_id=dossier_id))
