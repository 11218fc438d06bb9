"""Dock stations: their tokens, who gives them, and what they open."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from evidence.custody.models import CustodyEvent
from server.accounts.current import current_actor
from server.accounts.models import Token
from server.extensions import db
from tests.api.test_accounts import bearer
from tests.bureau import Bureau, Clients


def test_an_administrator_gives_a_station_its_token_file_once(
    as_role: Clients, app: Flask, bureau: Bureau, tmp_path: Path
) -> None:
    administrator = as_role("administrator")
    answer = administrator.post(
        "/api/v1/stations", json={"name": "二楼采集站", "unit_id": str(bureau.units["street"])}
    )
    assert answer.status_code == 201
    token, key = answer.json["token_file"].splitlines()
    assert token == answer.json["token"]
    assert key.startswith("key zhenglian.local/log+")
    assert token not in administrator.get("/api/v1/stations").text
    with app.test_request_context(headers=bearer(token)):
        actor = current_actor()
    assert (actor.via.value, actor.type.value) == ("dock", "system")
    assert actor.unit_id == bureau.units["street"]
    with app.app_context():
        kept = db.session.scalars(select(Token).order_by(Token.issued_at.desc())).first()
        assert kept is not None
        assert dt.timedelta(days=364) < kept.expires_at - kept.issued_at


@pytest.mark.parametrize(
    "who", ["officer", "handler", "supervisor", "leader", "archivist", "auditor", "station"]
)
def test_nobody_else_makes_stations(as_role: Clients, who: str) -> None:
    client = as_role(who)
    assert client.post("/api/v1/stations", json={"name": "x"}).status_code == 403
    assert client.get("/api/v1/stations").status_code == 403


def test_a_station_can_upload_and_nothing_else(as_role: Clients) -> None:
    station = as_role("station")
    made = station.post("/api/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "3"})
    assert made.status_code == 201
    for noun in ("exhibits", "cases", "inspections", "recorders", "officers", "units", "stations"):
        assert station.get(f"/api/v1/{noun}").status_code == 403, noun


def test_a_station_gets_its_next_token_and_is_the_same_station(
    as_role: Clients, app: Flask, bureau: Bureau
) -> None:
    path = f"/api/v1/stations/{bureau.station_id}/tokens"
    with app.app_context():
        before = db.session.scalars(select(Token).where(Token.station_id.is_not(None))).all()
    made = as_role("administrator").post(path)
    assert (made.status_code, made.json["id"]) == (201, str(bureau.station_id))
    assert made.json["token_file"].splitlines()[0] == made.json["token"]
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "3"}
    next_one = app.test_client().post(
        "/api/v1/uploads", headers=headers | bearer(made.json["token"])
    )
    assert next_one.status_code == 201
    # The dock may go on with the one that it has until somebody comes by.
    assert as_role("station").post("/api/v1/uploads", headers=headers).status_code == 201
    with app.app_context():
        kept = db.session.scalars(select(Token).where(Token.station_id.is_not(None))).all()
        about = select(CustodyEvent.kind).where(CustodyEvent.subject_id == bureau.station_id)
        events = db.session.scalars(about).all()
    assert len(kept) == len(before) + 1
    assert events.count("account:token_issued") == len(kept)


def test_what_was_revoked_can_be_given_another_token_and_nobody_else_gives_any(
    as_role: Clients, app: Flask, bureau: Bureau
) -> None:
    path = f"/api/v1/stations/{bureau.station_id}/tokens"
    for who in ("officer", "supervisor", "auditor", "station"):
        assert as_role(who).post(path).status_code == 403
    administrator = as_role("administrator")
    assert administrator.post(f"/api/v1/stations/{uuid4()}/tokens").status_code == 404
    assert administrator.delete(path).status_code == 204
    token = administrator.post(path).json["token"]
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "3"}
    assert as_role("station").post("/api/v1/uploads", headers=headers).status_code == 401
    again = app.test_client().post("/api/v1/uploads", headers=headers | bearer(token))
    assert again.status_code == 201
    # That one was a token of the station too, and goes with the others.
    assert administrator.delete(path).status_code == 204
    again = app.test_client().post("/api/v1/uploads", headers=headers | bearer(token))
    assert again.status_code == 401


@pytest.mark.parametrize("who", ["supervisor", "auditor", "handler"])
def test_the_page_gives_nobody_else_a_token_either(
    as_role: Clients, app: Flask, bureau: Bureau, who: str
) -> None:
    with app.app_context():
        before = db.session.scalars(select(Token.id).where(Token.station_id.is_not(None))).all()
    answer = as_role(who).post(f"/administration/stations/{bureau.station_id}/tokens")
    assert (answer.status_code, "zl_" in answer.text) == (403, False)
    with app.app_context():
        after = db.session.scalars(select(Token.id).where(Token.station_id.is_not(None))).all()
    assert after == before


def test_a_lost_station_is_shut_out_at_once(as_role: Clients, bureau: Bureau) -> None:
    path = f"/api/v1/stations/{bureau.station_id}/tokens"
    assert as_role("officer").delete(path).status_code == 403
    assert as_role("administrator").delete(path).status_code == 204
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "3"}
    assert as_role("station").post("/api/v1/uploads", headers=headers).status_code == 401
