"""Recorders, and the ledger of who had which one when."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from sqlalchemy.orm import Session

from evidence.errors import InvalidInput, NotFound
from evidence.paging import Page
from evidence.people import access
from evidence.people.access import Act
from evidence.people.models import Officer, Unit
from evidence.recorders import changing, finding, ledger
from evidence.recorders.models import Checkout, Recorder
from schemas.members import PageQuery
from schemas.recorders import (
    Attributed,
    CheckinRequest,
    CheckoutPage,
    CheckoutRequest,
    CheckoutResponse,
    RecorderChange,
    RecorderPage,
    RecorderQuery,
    RecorderRequest,
    RecorderResponse,
)
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.late_recordings import attribute_all
from server.unit_of_work import unit_of_work

blp = Blueprint(
    "recorder", __name__, url_prefix="/api/v1/recorders", description="Body-worn recorders"
)
blp.before_request(require_login)


@blp.get("")
@blp.arguments(RecorderQuery, location="query")
@blp.response(200, RecorderPage)
def listed(query: dict[str, Any]) -> Page[Recorder]:
    """Recorders within your reach, by number."""
    return finding.search(db.session(), current_actor(), **query)


@blp.post("")
@blp.arguments(RecorderRequest)
@blp.response(201, RecorderResponse)
def register(request: dict[str, Any]) -> Recorder:
    """Enter a recorder into the bureau's books; what came from it before belongs to it then."""
    actor = current_actor()
    with unit_of_work() as session:
        unit = session.get(Unit, request.pop("unit_id"))
        if unit is None:
            raise InvalidInput("There is no such unit.")
        recorder = ledger.register(session, request.pop("number"), unit, actor, **request)
    attribute_all(recorder.id, actor)
    return recorder


@blp.post("/<name>/attributions")
@blp.response(200, Attributed)
def attribute_again(name: str) -> dict[str, int]:
    """Give it what came from it before it was entered, where that was interrupted."""
    actor = current_actor()
    recorder = finding.find(db.session(), name, actor)
    access.require(actor, Act.RECORDER_MANAGE)
    return {"attributed": attribute_all(recorder.id, actor)}


@blp.get("/<name>")
@blp.response(200, RecorderResponse)
def one(name: str) -> Recorder:
    """One recorder, by its number or id."""
    return finding.find(db.session(), name, current_actor())


@blp.patch("/<name>")
@blp.arguments(RecorderChange)
@blp.response(200, RecorderResponse)
def change(request: dict[str, Any], name: str) -> Recorder:
    """Move it to another unit, say whether it is in use, or correct model and serial number.

    What it has recorded stays with the unit that had it then; its number never changes.
    """
    actor = current_actor()
    with unit_of_work() as session:
        recorder = finding.find(session, name, actor)
        if "unit_id" in request and session.get(Unit, request["unit_id"]) is None:
            raise InvalidInput("There is no such unit.")
        return changing.change(session, recorder, actor, request)


@blp.get("/<name>/checkouts")
@blp.arguments(PageQuery, location="query")
@blp.response(200, CheckoutPage)
def checkouts(query: dict[str, Any], name: str) -> Page[Checkout]:
    """The recorder's ledger, newest first."""
    recorder = finding.find(db.session(), name, current_actor())
    return finding.checkouts(db.session(), recorder, **query)


@blp.post("/<name>/checkouts")
@blp.arguments(CheckoutRequest)
@blp.response(201, CheckoutResponse)
def check_out(request: dict[str, Any], name: str) -> Checkout:
    """Hand the recorder to an officer."""
    actor = current_actor()
    with unit_of_work() as session:
        recorder = finding.find(session, name, actor)
        officer = session.get(Officer, request["officer_id"])
        if officer is None:
            raise InvalidInput("There is no such officer.")
        return ledger.check_out(
            session,
            recorder,
            officer,
            actor,
            at=request["at"],
            purpose=request["purpose"],
            checkout_id=request["id"],
        )


@blp.post("/<name>/checkouts/<uuid:checkout_id>/check-in")
@blp.arguments(CheckinRequest)
@blp.response(200, CheckoutResponse)
def check_in(request: dict[str, Any], name: str, checkout_id: UUID) -> Checkout:
    """Take the recorder back; asked again, it is back already."""
    actor = current_actor()
    with unit_of_work() as session:
        recorder = finding.find(session, name, actor)
        checkout = _of(session, recorder, checkout_id)
        if checkout.checked_in_at is not None:
            return checkout
        return ledger.check_in(session, recorder, actor, at=request["at"])


def _of(session: Session, recorder: Recorder, checkout_id: UUID) -> Checkout:
    checkout = session.get(Checkout, checkout_id)
    if checkout is None or checkout.recorder_id != recorder.id:
        raise NotFound
    return checkout
