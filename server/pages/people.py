"""Officers with their certificates, and units: the list, one of each, and entering them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from evidence import clock
from evidence.custody.kinds import Kind
from evidence.errors import EvidenceError, InvalidInput, NotFound
from evidence.exhibits.timeline import timeline
from evidence.people import access, directory
from evidence.people.access import Act
from evidence.people.certificates import certificate_on, day_of
from evidence.people.models import Officer, OfficerStatus, Unit
from evidence.roster import registering
from schemas.people import OfficerChange, OfficerRequest
from server.accounts.changing import require_an_administrator
from server.accounts.current import current_actor, require_login
from server.accounts.models import Account
from server.extensions import db
from server.pages.seen import as_seen, require_as_seen
from server.presentation.actors import named
from server.presentation.forms import Unfilled, filled
from server.presentation.presenting import error_words
from server.unit_of_work import unit_of_work

blp = Blueprint("people", __name__, url_prefix="/people")
blp.before_request(require_login)

PAGE = 50


@blp.get("")
def listed() -> str:
    return _list()


def _list(error: str = "") -> str:
    actor, session = current_actor(), db.session()
    asked: dict[str, Any] = {
        "text": request.args.get("text", "")[:100],
        "unit_id": request.args.get("unit", type=UUID),
        "status": None if "left" in request.args else OfficerStatus.ACTIVE,
    }
    try:
        cursor = request.args.get("cursor")
        page = directory.officers(session, actor, **asked, cursor=cursor, limit=PAGE)
    except InvalidInput:
        page = directory.officers(session, actor, **asked, limit=PAGE)
    today = day_of(clock.now())
    return render_template(
        "people/list.html",
        page=page,
        asked=asked,
        licences={officer.id: certificate_on(officer, today) for officer in page.items},
        units=_units(session),
        error=error,
    )


def _units(session: Session) -> list[Unit]:
    return list(session.scalars(select(Unit).order_by(Unit.name)))


@blp.post("")
def register() -> str | Response | tuple[str, int]:
    """Enter an officer."""
    actor = current_actor()
    access.require(actor, Act.PEOPLE_MANAGE)
    try:
        said = filled(OfficerRequest(), {**_said("name", "badge", "unit"), **_certificates()})
        with unit_of_work() as session:
            unit = session.get(Unit, said.pop("unit_id"))
            if unit is None:
                raise NotFound
            officer = registering.register_officer(session, unit, actor, **said)
    except Unfilled as unfilled:
        return _list(str(unfilled)), 422
    except EvidenceError as error:
        return _list(error_words(error)), 422
    flash(_("%(name)s is in the books.", name=officer.name))
    return redirect(url_for("people.one", officer_id=officer.id))


def _said(*names: str) -> dict[str, str]:
    return {name: request.form[name].strip() for name in names if name in request.form}


def _certificates() -> dict[str, list[dict[str, str]]]:
    """Those of the rows in which something stands; no word of them where there are no rows."""
    columns = [request.form.getlist(name) for name in ("number", "valid_from", "valid_to")]
    if not any(columns):
        return {}
    if len({len(column) for column in columns}) > 1:
        raise Unfilled(_("Look at this again: %(fields)s.", fields=_("Certificates")))
    rows = [
        {"number": number.strip(), "valid_from": first, "valid_to": last}
        for number, first, last in zip(*columns, strict=True)
        if number.strip() or first or last
    ]
    return {"certificates": rows}


@blp.get("/<uuid:officer_id>")
def one(officer_id: UUID) -> str:
    return _one(officer_id)


def _one(officer_id: UUID, error: str = "") -> str:
    actor, session = current_actor(), db.session()
    officer = directory.find_officer(session, officer_id, actor)
    seen = as_seen(session, officer, Kind.OFFICER_CHANGED)
    accounts: list[Account] = []
    if access.allows(actor, Act.ACCOUNT_MANAGE):
        query = select(Account).where(Account.officer_id == officer.id).order_by(Account.username)
        accounts = list(session.scalars(query))
    units = _units(session)
    return render_template(
        "people/one.html",
        officer=officer,
        licence=certificate_on(officer, day_of(clock.now())),
        accounts=accounts,
        units=units,
        unit_names={str(unit.id): unit.name for unit in units},
        entries=named(timeline(session, [officer.id])),
        seen=seen,
        error=error,
    )


@blp.post("/<uuid:officer_id>")
def change(officer_id: UUID) -> str | Response | tuple[str, int]:
    """Change an officer's name, unit, state and certificates."""
    actor = current_actor()
    access.require(actor, Act.PEOPLE_MANAGE)
    try:
        said = filled(OfficerChange(), {**_said("name", "unit", "status"), **_certificates()})
        with unit_of_work() as session:
            require_as_seen(session, officer_id, Kind.OFFICER_CHANGED)
            officer: Officer = directory.find_officer(session, officer_id, actor)
            if "unit_id" in said and session.get(Unit, said["unit_id"]) is None:
                raise NotFound
            registering.change_officer(session, officer, actor, said)
            if officer.status is OfficerStatus.LEFT:
                require_an_administrator(session)
    except Unfilled as unfilled:
        return _one(officer_id, str(unfilled)), 422
    except EvidenceError as error:
        return _one(officer_id, error_words(error)), 422
    flash(_("%(name)s is in the books as shown here.", name=officer.name))
    return redirect(url_for("people.one", officer_id=officer.id))
