"""Units of the bureau: what each does, to whom it hands over, and entering them."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from evidence.custody.kinds import Kind
from evidence.errors import EvidenceError, NotFound
from evidence.exhibits.timeline import timeline
from evidence.people import access
from evidence.people.access import Act
from evidence.people.models import Officer, OfficerStatus, Unit
from evidence.roster import registering
from schemas.people import UnitChange, UnitRequest
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.pages.seen import as_seen, require_as_seen
from server.presentation.actors import named
from server.presentation.forms import Unfilled, filled
from server.presentation.presenting import error_words
from server.unit_of_work import unit_of_work

blp = Blueprint("units_page", __name__, url_prefix="/units")
blp.before_request(require_login)


@blp.get("")
def listed() -> str:
    return _list()


def _list(error: str = "") -> str:
    access.require(current_actor(), Act.PEOPLE_VIEW)
    counted = db.session.execute(
        select(Officer.unit_id, func.count())
        .where(Officer.status == OfficerStatus.ACTIVE)
        .group_by(Officer.unit_id)
    )
    return render_template(
        "people/units.html", units=_units(), officers=dict(counted.all()), error=error
    )


def _units() -> list[Unit]:
    query = select(Unit).options(joinedload(Unit.hands_over_to)).order_by(Unit.kind, Unit.name)
    return list(db.session.scalars(query))


def _said() -> dict[str, str | None]:
    """What the form has; a unit that hands over to nobody says so by an empty field."""
    names = [name for name in ("name", "kind", "hands_over_to") if name in request.form]
    said: dict[str, str | None] = {name: request.form[name].strip() for name in names}
    if said.get("hands_over_to") == "":
        said["hands_over_to"] = None
    return said


@blp.post("")
def register() -> str | Response | tuple[str, int]:
    """Enter a unit."""
    actor = current_actor()
    access.require(actor, Act.PEOPLE_MANAGE)
    try:
        said = filled(UnitRequest(), _said())
        with unit_of_work() as session:
            unit = registering.register_unit(
                session, said["name"], said["kind"], actor, said["hands_over_to_id"]
            )
    except Unfilled as unfilled:
        return _list(str(unfilled)), 422
    except EvidenceError as error:
        return _list(error_words(error)), 422
    flash(_("%(name)s is in the books.", name=unit.name))
    return redirect(url_for("units_page.listed"))


@blp.get("/<uuid:unit_id>")
def one(unit_id: UUID) -> str:
    return _one(unit_id)


def _one(unit_id: UUID, error: str = "") -> str:
    access.require(current_actor(), Act.PEOPLE_VIEW)
    session, units = db.session(), _units()
    unit = next((each for each in units if each.id == unit_id), None)
    if unit is None:
        raise NotFound
    seen = as_seen(session, unit, Kind.UNIT_CHANGED)
    return render_template(
        "people/unit.html",
        unit=unit,
        units=units,
        unit_names={str(each.id): each.name for each in units},
        given_to=[each for each in units if each.hands_over_to_id == unit_id],
        entries=named(timeline(session, [unit_id])),
        seen=seen,
        error=error,
    )


@blp.post("/<uuid:unit_id>")
def change(unit_id: UUID) -> str | Response | tuple[str, int]:
    """Change a unit's name, kind, or to whom it hands over."""
    actor = current_actor()
    access.require(actor, Act.PEOPLE_MANAGE)
    try:
        said = filled(UnitChange(), _said())
        with unit_of_work() as session:
            require_as_seen(session, unit_id, Kind.UNIT_CHANGED)
            unit = session.get(Unit, unit_id)
            if unit is None:
                raise NotFound
            registering.change_unit(session, unit, actor, said)
    except Unfilled as unfilled:
        return _one(unit_id, str(unfilled)), 422
    except EvidenceError as error:
        return _one(unit_id, error_words(error)), 422
    flash(_("%(name)s is in the books as shown here.", name=unit.name))
    return redirect(url_for("units_page.one", unit_id=unit_id))
