"""Dossiers for outsiders: asked for with a reason, made, taken away, signed for."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from flask import Response
from flask_smorest import Blueprint

from evidence.cases import finding as cases
from evidence.cases.models import Case
from evidence.dossier import requesting
from evidence.dossier.models import Dossier, DossierReceipt
from evidence.exhibits import finding as exhibits
from evidence.exhibits.models import Exhibit
from evidence.people.access import Act
from schemas.dossiers import DossierRequest, DossierResponse, ReceiptRequest, ReceiptResponse
from server import handing_out
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.unit_of_work import unit_of_work

blp = Blueprint(
    "dossier", __name__, url_prefix="/api/v1/dossiers", description="Dossiers for outsiders"
)
blp.before_request(require_login)


@blp.post("")
@blp.arguments(DossierRequest)
@blp.response(202, DossierResponse)
def ask(request: dict[str, Any]) -> Dossier:
    """Have a dossier of an exhibit or a case put together; it is an event of each exhibit."""
    actor = current_actor()
    with unit_of_work() as session:
        of: Exhibit | Case
        if request["case_number"] is not None:
            of = cases.find_by_number(session, request["case_number"], actor)
        else:
            of = exhibits.find(session, request["exhibit_id"], actor)
        dossier = handing_out.ask_for(of, request["reason"], request["id"] or uuid4())
        session.flush()
    return dossier


@blp.get("/<uuid:dossier_id>")
@blp.response(200, DossierResponse)
def one(dossier_id: UUID) -> Dossier:
    """How far a dossier is, and who signed for it."""
    return requesting.find(db.session(), dossier_id, current_actor())


@blp.get("/<uuid:dossier_id>/bag")
@blp.response(200, {"type": "string", "format": "binary"}, content_type="application/zip")
def bag(dossier_id: UUID) -> Response:
    """The dossier itself. Every download is an event."""
    return handing_out.bag(dossier_id)


@blp.post("/<uuid:dossier_id>/receipts")
@blp.arguments(ReceiptRequest)
@blp.response(201, ReceiptResponse)
def sign(request: dict[str, Any], dossier_id: UUID) -> DossierReceipt:
    """Somebody has received it and signs for it by name: an event."""
    actor = current_actor()
    with unit_of_work() as session:
        dossier = requesting.find(session, dossier_id, actor, Act.DOSSIER_MAKE)
        return requesting.sign_for(
            session, dossier, request["recipient"], request["organisation"], actor
        )
