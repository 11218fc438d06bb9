"""An officer who wants a recording to be another's, a handler of another unit, a forged request."""

from __future__ import annotations

import hashlib
import re
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from server.metrics import REGISTRY
from tests.api.office import CASE, Office
from tests.api.tus import OCTETS, UPLOADS, metadata
from tests.bureau import DUTY, PASSWORD, Clients

FOOTAGE = b"what the officer would rather not have"
OTHER_CASE = "衡东市监罚字〔2023〕77号"


def _send(as_role: Clients, who: str, content: bytes, **said: str) -> dict[str, Any]:
    client = as_role(who)
    answer = client.post(
        UPLOADS,
        data=content,
        content_type=OCTETS,
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(content)),
            "Upload-Metadata": metadata(**{"recorded_at": DUTY.isoformat(), **said}),
        },
    )
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = client.get(answer.headers["Location"]).json
    exhibit: dict[str, Any] = as_role("supervisor").get(told["exhibit"]).json
    return {**exhibit, "told": told}


def test_who_comes_before_the_dock_with_a_false_recorder_is_found_out_by_the_dock(
    as_role: Clients,
) -> None:
    first = _send(as_role, "officer", FOOTAGE, filename="x.mp4", recorder="HD-013")
    assert first["recorder"]["number"] == "HD-013"
    assert {"sent_from_elsewhere", "wearer_unknown"} <= set(first["flags"])
    sha256 = hashlib.sha256(FOOTAGE).hexdigest()
    again = _send(
        as_role, "station", FOOTAGE, filename="0001.mp4", recorder="HD-012", sha256=sha256
    )
    assert (again["id"], again["told"]["state"]) == (first["id"], "duplicate")
    assert "claims_differ" in again["flags"]
    custody = as_role("supervisor").get(f"{again['told']['exhibit']}/custody").json
    said = next(e["details"] for e in custody["events"] if e["kind"] == "exhibit:received_again")
    assert (said["recorder_claim"], said["recorded_at_claim"]) == ("HD-012", DUTY.isoformat())
    assert custody["contradictions"] == []


@pytest.mark.parametrize(
    ("said", "flagged"),
    [
        ({}, False),
        ({"recorder": "hd012"}, False),
        ({"filename": "copy.mp4"}, False),
        ({"recorder": "HD-011"}, True),
        ({"recorder": "unheard-of"}, True),
        ({"recorded_at": "2023-09-14T08:00:00+08:00"}, True),
    ],
)
def test_the_same_bytes_are_flagged_where_recorder_or_time_are_said_otherwise(
    as_role: Clients, said: dict[str, str], flagged: bool
) -> None:
    claims = {"filename": "0001.mp4", "recorder": "HD-012"}
    _send(as_role, "station", FOOTAGE, **claims)
    again = _send(as_role, "station", FOOTAGE, **{**claims, **said})
    assert ("claims_differ" in again["flags"]) is flagged


def test_an_officers_own_units_recorder_is_from_nowhere_else(as_role: Clients) -> None:
    sent = _send(as_role, "street_officer", FOOTAGE, filename="0001.mp4", recorder="HD-012")
    assert "sent_from_elsewhere" not in sent["flags"]


def _linked_elsewhere(office: Office) -> tuple[str, str]:
    """An exhibit of the squad's that an archivist linked to the other unit's case."""
    exhibit = office.exhibit()
    filed = {"number": OTHER_CASE, "party": "李记", "sector": "food", "filed_on": "2023-09-15"}
    assert office.client("other_handler").post("/api/v1/cases", json=filed).status_code == 201
    links = f"/api/v1/exhibits/{exhibit}/links"
    link = office.client("archivist").post(links, json={"case_number": OTHER_CASE})
    return str(exhibit), link.json["id"]


def test_nobody_takes_evidence_off_a_case_that_he_cannot_see(office: Office) -> None:
    exhibit, link = _linked_elsewhere(office)
    url, reason = f"/api/v1/exhibits/{exhibit}/links/{link}", {"reason": "不要了"}
    assert office.client("handler").get(f"/api/v1/exhibits/{exhibit}").status_code == 200
    assert office.client("handler").delete(url, json=reason).status_code == 403
    assert "exhibit:unlinked" not in office.kinds(exhibit)
    assert office.client("other_handler").delete(url, json=reason).status_code == 200


def test_a_link_of_another_exhibit_is_not_reached_by_way_of_ones_own(office: Office) -> None:
    exhibit, link = _linked_elsewhere(office)
    own = office.exhibit()
    url = f"/api/v1/exhibits/{own}/links/{link}"
    assert office.client("handler").delete(url, json={"reason": "x"}).status_code == 404
    assert "exhibit:unlinked" not in office.kinds(exhibit)


def test_facets_search_and_cursor_of_another_unit_tell_nothing_of_ours(office: Office) -> None:
    exhibit = office.exhibit(filename="绝密.mp4")
    case = office.file_case()
    stranger = office.client("other_handler")
    for query in (
        "text=绝密",
        "text=E2023-000001",
        f"recorder={office.recorder_id}",
        f"officer={office.officers['officer']}",
        f"unit={office.units['squad']}",
        f"case={case['id']}",
    ):
        answer = stranger.get(f"/api/v1/exhibits?{query}")
        assert answer.json == {"items": [], "next": None}, query
    unknown = stranger.get(f"/api/v1/exhibits/{uuid4()}").json
    assert stranger.get(f"/api/v1/exhibits/{exhibit}").json == unknown
    links = f"/api/v1/exhibits/{office.exhibit(unit='other')}/links"
    refused = [
        stranger.post(links, json={"case_number": n}).json["code"] for n in (CASE, OTHER_CASE)
    ]
    assert refused == ["case_not_found"] * 2


def test_a_case_named_at_the_source_tells_its_sender_nothing_of_it(
    as_role: Clients,
) -> None:
    filed = {"number": CASE, "party": "王记", "sector": "food", "filed_on": "2023-09-15"}
    assert as_role("handler").post("/api/v1/cases", json=filed).status_code == 201
    there, not_there = (
        _send(as_role, "other_handler", content, filename="a.mp4", case=number)
        for content, number in ((b"one", CASE), (b"two", OTHER_CASE))
    )
    assert there["flags"] == not_there["flags"]
    assert there["links"] == not_there["links"] == []


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", None])
def test_a_cookie_alone_changes_nothing_through_the_api(app: Flask, media_type: str | None) -> None:
    browser = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/login").text)
    assert token
    said = {"username": "handler", "password": PASSWORD, "csrf_token": token[1]}
    assert browser.post("/login", data=said).status_code == 302
    body = '{"number":"x"}' if media_type else {"number": "x"}
    for path in ("/api/v1/cases", "/cases", "/api/v1/uploads", "/exhibits/attach"):
        answer = browser.post(
            path,
            data=body,
            content_type=media_type,
            headers={"Origin": "https://elsewhere.example", "Tus-Resumable": "1.0.0"},
        )
        assert answer.status_code == 400, path
    # A bearer token that is none does not excuse from it: then there is no login at all.
    excused = browser.post("/api/v1/cases", json={}, headers={"Authorization": "Bearer x"})
    assert excused.status_code == 401


def test_a_strangers_methods_make_no_series_of_their_own(app: Flask) -> None:
    for method in ("INVENTED", "PROPFIND"):
        assert app.test_client().open("/login", method=method).status_code == 405
    methods = {
        sample.labels["method"]
        for family in REGISTRY.collect()
        for sample in family.samples
        if "method" in sample.labels
    }
    assert not methods & {"INVENTED", "PROPFIND"}
    assert "(other)" in methods
