"""The administrator's page: jobs that failed, dock stations, the way to people and recorders."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from evidence import clock
from evidence.errors import EvidenceError, NotFound
from evidence.people.access import Act, require
from evidence.people.models import Officer, OfficerStatus, Unit
from evidence.recorders.models import Recorder
from server import jobs, moving, troubles
from server.accounts import tokens
from server.accounts.creation import create_station, next_token, token_file
from server.accounts.current import current_actor, require_login
from server.accounts.models import Account, Station, Token, TokenKind
from server.extensions import db, settings, signer
from server.presentation.presenting import error_words
from server.unit_of_work import unit_of_work

blp = Blueprint("administration", __name__, url_prefix="/administration")
blp.before_request(require_login)


@blp.get("")
def page() -> str:
    return _page()


def _page(error: str = "", shown_once: str = "", station_name: str = "") -> str:
    require(current_actor(), Act.ACCOUNT_MANAGE)
    session = db.session()
    stations = session.scalars(select(Station).order_by(Station.name)).all()
    valid = session.execute(
        select(Token.station_id, func.max(Token.expires_at))
        .where(
            Token.station_id.is_not(None),
            Token.revoked_at.is_(None),
            Token.expires_at > clock.now(),
        )
        .group_by(Token.station_id)
    )
    active = Officer.status == OfficerStatus.ACTIVE
    return render_template(
        "administration.html",
        stations=stations,
        valid=dict(valid.all()),
        accounts=session.scalar(select(func.count()).select_from(Account)),
        officers=session.scalar(select(func.count()).select_from(Officer).where(active)),
        units=session.scalar(select(func.count()).select_from(Unit)),
        recorders=session.scalar(select(func.count()).select_from(Recorder)),
        troubles=troubles.newest(session),
        waiting=jobs.waiting(),
        moved_from=settings().store_old_url,
        counted=moving.last(settings()),
        error=error,
        shown_once=shown_once,
        station_name=station_name,
    )


@blp.post("/stations")
def add_station() -> str | tuple[str, int]:
    """A new dock station; its token file is shown this once."""
    actor, name = current_actor(), request.form.get("name", "")[:60]
    try:
        with unit_of_work() as session:
            station = create_station(session, name, None, actor)
            _token, secret = tokens.issue(session, TokenKind.STATION, station, actor)
    except EvidenceError as error:
        return _page(error_words(error)), 422
    return _page(shown_once=token_file(secret, signer().verifier_key), station_name=name)


@blp.post("/stations/<uuid:station_id>/tokens")
def issue(station_id: UUID) -> str:
    """Another token of a station; its token file is shown this once."""
    with unit_of_work() as session:
        station, _token, secret = next_token(session, station_id, current_actor())
    return _page(shown_once=token_file(secret, signer().verifier_key), station_name=station.name)


@blp.post("/stations/<uuid:station_id>/revoke")
def revoke(station_id: UUID) -> Response:
    """End every token of a station."""
    actor = current_actor()
    require(actor, Act.ACCOUNT_MANAGE)
    with unit_of_work() as session:
        station = session.get(Station, station_id)
        if station is None:
            raise NotFound
        for token_id in session.scalars(select(Token.id).where(Token.station_id == station_id)):
            tokens.revoke(session, token_id, actor)
    flash(_("The tokens of %(name)s are revoked: it can upload no more.", name=station.name))
    return redirect(url_for("administration.page"))
