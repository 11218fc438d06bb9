"""Exhibits over HTTP: who reaches which, what is an event, how bytes leave the house."""

from __future__ import annotations

import hashlib
import json
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from evidence.custody.sequencer import Sequencer
from evidence.exhibits import viewing
from evidence.exhibits.models import Exhibit, ExhibitLink, ExhibitState
from evidence.people.actor import Via
from server.accounts.current import account_actor
from server.accounts.models import Account
from server.extensions import sessions, signer, store
from tests.api.office import CASE, Office
from tests.conftest import SteppingClock

BYTES = bytes(range(256)) * 8


def _links(exhibit: UUID) -> str:
    return f"/api/v1/exhibits/{exhibit}/links"


def _original(exhibit: UUID) -> str:
    return f"/api/v1/exhibits/{exhibit}/original"


def test_looking_at_an_exhibit_is_an_event_but_listing_it_is_not(office: Office) -> None:
    exhibit = office.exhibit()
    client = office.client("supervisor")
    assert client.get("/api/v1/exhibits").json["items"][0]["id"] == str(exhibit)
    assert office.kinds(exhibit) == ["exhibit:sealed"]
    assert client.get(f"/api/v1/exhibits/{exhibit}").json["digests"]["claimed"]
    assert office.kinds(exhibit) == ["exhibit:sealed", "exhibit:viewed"]


def test_what_is_out_of_reach_is_not_there_and_leaves_no_event(office: Office) -> None:
    exhibit = office.exhibit()
    stranger = office.client("other_handler")
    for path in ("", "/custody", "/original", "/poster", "/proof"):
        assert stranger.get(f"/api/v1/exhibits/{exhibit}{path}").status_code == 404, path
    assert stranger.post(_links(exhibit), json={"case_number": CASE}).status_code == 404
    assert stranger.get("/api/v1/exhibits").json == {"items": [], "next": None}
    assert office.kinds(exhibit) == ["exhibit:sealed"]


def test_a_handling_unit_reaches_what_is_handed_over_to_it(office: Office) -> None:
    exhibit = office.exhibit(unit="street")
    assert office.client("handler").get(f"/api/v1/exhibits/{exhibit}").status_code == 200
    assert len(office.client("handler").get("/api/v1/exhibits").json["items"]) == 1
    assert office.client("officer").get(f"/api/v1/exhibits/{exhibit}").status_code == 404


def test_several_exhibits_are_attached_at_once_to_a_number_as_people_write_it(
    office: Office,
) -> None:
    office.file_case()
    exhibits = [str(office.exhibit()) for _ in range(3)]
    request = {"exhibit_ids": exhibits, "case_number": "衡东市监罚字(2023)451号", "note": "现场"}
    answer = office.client("handler").post("/api/v1/exhibits/links", json=request)
    assert answer.status_code == 201
    assert [link["exhibit"] for link in answer.json] == exhibits
    assert all(link["to"] == f"{CASE} 王记食品店" for link in answer.json)
    again = office.client("handler").post("/api/v1/exhibits/links", json=request)
    assert [link["id"] for link in again.json] == [link["id"] for link in answer.json]
    assert office.kinds(exhibits[0]) == ["exhibit:sealed", "exhibit:linked"]


def test_all_are_attached_or_none(office: Office) -> None:
    office.file_case()
    good = office.exhibit()
    bad = office.exhibit(state=ExhibitState.QUARANTINED)
    request = {"exhibit_ids": [str(good), str(bad)], "case_number": CASE}
    answer = office.client("handler").post("/api/v1/exhibits/links", json=request)
    assert (answer.status_code, answer.json["code"]) == (409, "exhibit_quarantined")
    assert [refused["exhibit"] for refused in answer.json["refused"]] == [str(bad)]
    assert office.kinds(good) == ["exhibit:sealed"]


def test_a_doubtful_clock_is_explained_before_anything_is_attached(office: Office) -> None:
    office.file_case()
    doubtful, good = office.exhibit(flags=["clock_suspect"]), office.exhibit()
    request = {"exhibit_ids": [str(good), str(doubtful)], "case_number": CASE, "note": " "}
    answer = office.client("handler").post("/api/v1/exhibits/links", json=request)
    assert (answer.status_code, answer.json["code"]) == (422, "explanation_needed")
    assert [refused["exhibit"] for refused in answer.json["refused"]] == [str(doubtful)]
    assert office.kinds(good) == ["exhibit:sealed"]
    request["note"] = "设备时钟快两小时，与现场笔录核对无误"
    assert office.client("handler").post("/api/v1/exhibits/links", json=request).status_code == 201


@pytest.mark.parametrize(
    ("number", "status"), [("衡东市监罚字〔23〕451号", 422), ("衡东市监罚字〔2023〕452号", 404)]
)
def test_a_number_that_is_wrong_or_unknown_attaches_nothing(
    office: Office, number: str, status: int
) -> None:
    exhibit = office.exhibit()
    answer = office.client("handler").post(_links(exhibit), json={"case_number": number})
    assert answer.status_code == status
    assert office.kinds(exhibit) == ["exhibit:sealed"]


@pytest.mark.parametrize("who", ["officer", "supervisor", "leader", "auditor"])
def test_who_may_look_may_not_therefore_attach(office: Office, who: str) -> None:
    office.file_case()
    exhibit = office.exhibit()
    answer = office.client(who).post(_links(exhibit), json={"case_number": CASE})
    assert (answer.status_code, answer.json["code"]) == (403, "access_denied")


def test_taking_off_needs_a_reason_and_keeps_the_row(office: Office) -> None:
    office.file_case()
    exhibit, handler = office.exhibit(), office.client("handler")
    link = handler.post(_links(exhibit), json={"case_number": CASE}).json
    url = f"{_links(exhibit)}/{link['id']}"
    assert handler.delete(url, json={"reason": "  "}).status_code == 422
    assert handler.delete(url).status_code == 422
    off = handler.delete(url, json={"reason": "错挂"})
    assert off.json["unlink_reason"] == "错挂"
    assert handler.delete(url, json={"reason": "再次"}).json["unlink_reason"] == "错挂"
    assert office.kinds(exhibit)[-2:] == ["exhibit:linked", "exhibit:unlinked"]
    with office.writing() as session:
        assert session.get(ExhibitLink, UUID(link["id"])) is not None
    relinked = handler.post(_links(exhibit), json={"case_number": CASE}).json
    assert relinked["id"] != link["id"]


def test_a_cases_custody_has_every_event_of_every_exhibit_ever_linked(office: Office) -> None:
    case = office.file_case()
    kept, off = office.exhibit(), office.exhibit()
    handler = office.client("handler")
    for exhibit in (kept, off):
        link = handler.post(_links(exhibit), json={"case_number": CASE}).json
    handler.delete(f"{_links(off)}/{link['id']}", json={"reason": "错挂"})
    events = office.client("supervisor").get(f"/api/v1/cases/{case['id']}/custody").json
    assert [event["position"] for event in events] == sorted(e["position"] for e in events)
    assert {event["subject"]["id"] for event in events} == {case["id"], str(kept), str(off)}
    assert events[-1]["kind"] == "exhibit:unlinked"
    assert events[-1]["actor"]["name"].startswith("张")
    assert {event["state"] for event in events} == {"pending"}


def test_an_exhibit_is_attached_to_an_inspection_too(office: Office) -> None:
    inspection = str(uuid4())
    record = {
        "id": inspection,
        "party": "李记",
        "place": "城关镇",
        "started_at": "2023-09-15T09:00:00+08:00",
        "ended_at": "2023-09-15T10:00:00+08:00",
        "officers": [str(office.officers["handler"]), str(office.officers["officer"])],
        "id_shown": True,
        "recording_told": True,
        "result": "no_finding",
    }
    assert office.client("handler").post("/api/v1/inspections", json=record).status_code == 201
    exhibit = office.exhibit()
    link = office.client("handler").post(_links(exhibit), json={"inspection_id": inspection})
    assert link.json["inspection"] == inspection
    found = office.client("handler").get(f"/api/v1/exhibits?inspection={inspection}")
    assert [e["id"] for e in found.json["items"]] == [str(exhibit)]
    both = {"inspection_id": inspection, "case_number": CASE}
    assert office.client("handler").post(_links(exhibit), json=both).status_code == 422


# What a Range asks for, and what it gets: RFC 9110 section 14.
@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-", 206, 0, 2047),
        ("bytes=0-0", 206, 0, 0),
        ("bytes=100-199", 206, 100, 199),
        ("bytes=2000-9999", 206, 2000, 2047),
        ("bytes=-10", 206, 2038, 2047),
        ("bytes=-9999", 206, 0, 2047),
        ("bytes=5-2", 200, 0, 2047),
        ("bytes=0-1,5-6", 200, 0, 2047),
        ("lines=1-2", 200, 0, 2047),
        ("bytes=-", 200, 0, 2047),
    ],
)
def test_a_stretch_of_an_original(
    office: Office, asked: str, status: int, first: int, last: int
) -> None:
    exhibit = office.exhibit(BYTES)
    answer = office.client("handler").get(_original(exhibit), headers={"Range": asked})
    assert answer.status_code == status
    assert answer.data == BYTES[first : last + 1]
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.headers["ETag"] == f'"{hashlib.sha256(BYTES).hexdigest()}"'
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/2048"


@pytest.mark.parametrize("asked", ["bytes=2048-", "bytes=9999-", "bytes=-0"])
def test_a_stretch_beyond_the_end_is_not_satisfiable(office: Office, asked: str) -> None:
    exhibit = office.exhibit(BYTES)
    answer = office.client("handler").get(_original(exhibit), headers={"Range": asked})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */2048")
    assert office.kinds(exhibit) == ["exhibit:sealed"]


def test_an_empty_original_is_served_whole(office: Office) -> None:
    exhibit = office.exhibit(b"")
    answer = office.client("handler").get(_original(exhibit))
    assert (answer.status_code, answer.data) == (200, b"")
    ranged = office.client("handler").get(_original(exhibit), headers={"Range": "bytes=0-"})
    assert ranged.status_code == 416


def test_if_range_with_another_etag_gets_everything(office: Office) -> None:
    exhibit = office.exhibit(BYTES)
    headers = {"Range": "bytes=0-9", "If-Range": '"other"'}
    answer = office.client("handler").get(_original(exhibit), headers=headers)
    assert (answer.status_code, len(answer.data)) == (200, 2048)
    headers["If-Range"] = answer.headers["ETag"]
    assert office.client("handler").get(_original(exhibit), headers=headers).status_code == 206


def test_bytes_the_client_has_are_not_sent_again_and_are_no_event(office: Office) -> None:
    exhibit = office.exhibit(BYTES)
    etag = f'"{hashlib.sha256(BYTES).hexdigest()}"'
    headers = {"If-None-Match": f'"x", {etag}'}
    answer = office.client("handler").get(_original(exhibit), headers=headers)
    assert (answer.status_code, answer.data) == (304, b"")
    assert office.kinds(exhibit) == ["exhibit:sealed"]


def test_bytes_that_a_client_wants_only_if_it_has_none_are_not_sent(office: Office) -> None:
    exhibit = office.exhibit(BYTES)
    answer = office.client("handler").get(_original(exhibit), headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.data) == (304, b"")
    assert office.kinds(exhibit) == ["exhibit:sealed"]


def test_a_head_tells_the_length_and_is_no_event(office: Office) -> None:
    exhibit = office.exhibit(BYTES)
    answer = office.client("handler").head(_original(exhibit))
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Length"] == "2048"
    assert office.kinds(exhibit) == ["exhibit:sealed"]


def test_every_request_that_carries_bytes_of_a_download_is_an_event(office: Office) -> None:
    exhibit = office.exhibit(BYTES)
    client = office.client("handler")
    client.get(_original(exhibit), headers={"Range": "bytes=1-"})
    client.get(_original(exhibit), headers={"Range": "bytes=0-0"})
    assert office.kinds(exhibit) == ["exhibit:sealed"] + ["exhibit:downloaded"] * 2


def test_a_player_that_begins_with_several_requests_at_once_plays_once(
    office: Office, clock: SteppingClock
) -> None:
    exhibit_id = office.exhibit(BYTES)
    with office.writing() as session:
        account = session.scalars(select(Account).where(Account.username == "supervisor")).one()
        player = account_actor(account, Via.CONSOLE)
        exhibit = session.get_one(Exhibit, exhibit_id)
        for seconds in (0, 3, 600):
            clock.step(seconds=seconds)
            viewing.record_play(session, exhibit, player)
    assert office.kinds(exhibit_id) == ["exhibit:sealed"] + ["exhibit:played"] * 2


def test_no_browser_keeps_bytes_for_whoever_comes_next(office: Office) -> None:
    exhibit = office.exhibit(BYTES)
    for way in ("", "?play=1"):
        answer = office.client("handler").get(_original(exhibit) + way)
        assert answer.headers["Cache-Control"] == "private, no-store"


def test_playing_is_one_event_in_ten_minutes_however_many_ranges(
    office: Office, clock: SteppingClock
) -> None:
    exhibit = office.exhibit(BYTES)
    officer = office.client("officer")
    for start in (0, 500, 1000):
        url = f"{_original(exhibit)}?play=1"
        assert officer.get(url, headers={"Range": f"bytes={start}-"}).status_code == 206
    office.client("leader").get(f"{_original(exhibit)}?play=1")
    assert office.kinds(exhibit) == ["exhibit:sealed"] + ["exhibit:played"] * 2
    clock.step(minutes=11)
    officer.get(f"{_original(exhibit)}?play=1")
    assert office.kinds(exhibit).count("exhibit:played") == 3


def test_who_may_play_may_not_therefore_download(office: Office) -> None:
    exhibit = office.exhibit(BYTES)
    assert office.client("officer").get(_original(exhibit)).status_code == 403
    assert office.client("auditor").get(f"{_original(exhibit)}?play=1").status_code == 403
    assert office.kinds(exhibit) == ["exhibit:sealed"]


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/pdf", None])
def test_what_a_browser_might_run_is_only_ever_a_download(office: Office, kind: str | None) -> None:
    exhibit = office.exhibit(b"<script>alert(1)</script>", media_type=kind)
    assert office.client("officer").get(f"{_original(exhibit)}?play=1").status_code == 409
    answer = office.client("handler").get(_original(exhibit))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("现场.mp4", "filename*=UTF-8''%E7%8E%B0%E5%9C%BA.mp4"),
        ("../../etc/passwd", 'filename="_.._etc_passwd"'),
        ('a"\r\nSet-Cookie: x=1.mp4', 'filename="a___Set-Cookie_ x=1.mp4"'),
        ("gpj\u202e4pm.exe", "filename*=UTF-8''gpj_4pm.exe"),
        ("", 'filename="E2023-000001"'),
    ],
)
def test_the_name_of_a_download_is_safe(office: Office, name: str, said: str) -> None:
    exhibit = office.exhibit(BYTES, filename=name)
    answer = office.client("handler").get(_original(exhibit))
    assert said in answer.headers["Content-Disposition"]
    assert "Set-Cookie" not in answer.headers


def test_quarantined_bytes_are_for_who_may_download_everything(office: Office) -> None:
    exhibit = office.exhibit(BYTES, state=ExhibitState.QUARANTINED)
    assert office.client("handler").get(_original(exhibit)).status_code == 403
    assert office.client("supervisor").get(_original(exhibit)).data == BYTES
    assert office.client("supervisor").get(f"{_original(exhibit)}?play=1").status_code == 409
    assert office.kinds(exhibit) == ["exhibit:sealed", "exhibit:downloaded"]


def test_missing_bytes_are_an_error_and_no_event(office: Office) -> None:
    exhibit = office.exhibit(BYTES, sha256="0" * 64)
    answer = office.client("handler").get(_original(exhibit))
    assert answer.status_code == 500
    assert "incident" in answer.json
    assert office.kinds(exhibit) == ["exhibit:sealed"]


def test_a_proof_waits_for_the_log_and_a_retry_is_no_second_event(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.api.originals._SEQUENCED_WITHIN", 0.0)
    exhibit = office.exhibit(BYTES)
    url = f"/api/v1/exhibits/{exhibit}/proof"
    client = office.client("supervisor")
    early = client.get(url)
    assert (early.status_code, early.json["code"]) == (503, "log_not_ready")
    assert early.headers["Retry-After"]
    with office.app.app_context():
        Sequencer(sessions(), store(), signer(), "test").run_once()
    proof = client.get(url)
    assert proof.status_code == 200
    assert 'filename="E2023-000001.proof.json"' in proof.headers["Content-Disposition"]
    content = json.loads(proof.data)
    assert content["exhibit"]["sha256"] == hashlib.sha256(BYTES).hexdigest()
    assert len(content["events"]) == 2
    assert office.kinds(exhibit) == ["exhibit:sealed", "exhibit:proved"]


def test_times_without_an_offset_are_refused(office: Office) -> None:
    answer = office.client("officer").get("/api/v1/exhibits?received_from=2023-09-15T10:00:00")
    assert (answer.status_code, answer.json["code"]) == (422, "naive_time")


@pytest.mark.parametrize(("year", "later"), [("0001", 0), ("1669", 0), ("2300", 1), ("9999", 1)])
def test_times_that_no_exhibit_can_have_are_times_all_the_same(
    office: Office, year: str, later: int
) -> None:
    office.exhibit()

    def found(name: str) -> int:
        asked = f"/api/v1/exhibits?{name}={year}-12-31T00:00:00Z"
        return len(office.client("supervisor").get(asked).json["items"])

    assert (found("received_until"), found("received_from")) == (later, 1 - later)
    assert (found("recorded_until"), found("recorded_from")) == (later, 1 - later)
