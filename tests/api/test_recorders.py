"""Recorders over HTTP: entered by the administrator, handed out within the unit."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from flask import request

from server.pages import seen
from tests.api.forms import ENGLISH, posted
from tests.api.office import Office
from tests.conftest import SteppingClock

URL = "/api/v1/recorders"


def test_a_recorder_is_found_by_its_number_however_written(office: Office) -> None:
    for name in ("HD-012", "hd012", str(office.recorder_id)):
        answer = office.client("officer").get(f"{URL}/{name}")
        assert answer.json["id"] == str(office.recorder_id), name
    assert office.client("officer").get(f"{URL}/HD-999").status_code == 404
    assert office.client("other_officer").get(f"{URL}/HD-012").status_code == 404


def test_only_who_keeps_the_books_enters_a_recorder(office: Office) -> None:
    recorder = {"number": "HD-013", "unit": str(office.units["squad"]), "model": "DSJ-A7"}
    assert office.client("supervisor").post(URL, json=recorder).status_code == 403
    assert office.client("administrator").post(URL, json=recorder).status_code == 201
    twice = office.client("administrator").post(URL, json={**recorder, "number": "hd 013"})
    assert twice.status_code == 409
    nowhere = {**recorder, "number": "HD-014", "unit": str(uuid4())}
    assert office.client("administrator").post(URL, json=nowhere).status_code == 422


def test_what_was_docked_before_its_recorder_was_entered_is_its_units_then(office: Office) -> None:
    unknown = {"recorder_id": None, "officer_id": None, "recorder_claim": "HD-070"}
    flags = ["recorder_unknown", "wearer_unknown"]
    exhibit = office.exhibit(unit_id=None, **unknown, flags=flags)
    officer, where = office.client("officer"), f"/api/v1/exhibits/{exhibit}"
    assert officer.get(where).status_code == 404
    recorder = {"number": "HD-070", "unit": str(office.units["squad"])}
    assert office.client("administrator").post(URL, json=recorder).status_code == 201
    assert officer.get(where).json["flags"] == ["wearer_unknown"]
    found = officer.get("/api/v1/exhibits?text=HD-070").json["items"]
    assert [each["id"] for each in found] == [str(exhibit)]
    assert "exhibit:attributed" in office.kinds(exhibit)
    # By the form, the page says how many.
    office.exhibit(unit_id=None, **{**unknown, "recorder_claim": "HD-071"}, flags=flags)
    form = {"number": "HD-071", "unit": str(office.units["squad"])}
    page = office.client("administrator").post(
        "/recorders", data=form, headers={"Accept-Language": "en"}, follow_redirects=True
    )
    assert "belongs to it now: 1." in page.text


def test_a_recorder_moves_and_its_new_unit_hands_it_out(office: Office) -> None:
    administrator, where = office.client("administrator"), f"{URL}/HD-012"
    moved = {"unit": str(office.units["other"]), "serial": "0042"}
    assert office.client("officer").patch(where, json=moved).status_code == 403
    assert administrator.patch(where, json={"unit": str(uuid4())}).status_code == 422
    assert administrator.patch(where, json={"number": "HD-099"}).status_code == 422
    answer = administrator.patch(where, json=moved)
    assert (answer.status_code, answer.json["serial"]) == (200, "0042")
    assert answer.json["unit"]["id"] == moved["unit"]
    assert office.client("officer").get(where).status_code == 404
    out = {"officer": str(office.officers["other_officer"])}
    handed = office.client("other_officer").post(f"{where}/checkouts", json=out)
    assert handed.status_code == 201
    refused = administrator.patch(where, json={"status": "retired"})
    assert (refused.status_code, refused.json["code"]) == (409, "already_checked_out")
    kinds = ["recorder:changed", "recorder:checked_out"]
    assert office.kinds(office.recorder_id) == kinds


def test_the_page_of_a_recorder_changes_it(office: Office) -> None:
    administrator, where = office.client("administrator"), f"/recorders/{office.recorder_id}"
    assert "It is handed to nobody." not in administrator.get(where, headers=ENGLISH).text
    assert posted(administrator, where, status="repair", model="DSJ-A7")[0] == 302
    page = administrator.get(where, headers=ENGLISH).text
    assert "It is handed to nobody." in page
    assert "Recorder changed" in page
    assert "DSJ-A7" in page
    assert posted(administrator, where, status="lost")[0] == 422
    assert posted(administrator, where, unit=str(uuid4()))[0] == 422
    officer = office.client("officer")
    assert 'name="seen"' not in officer.get(where).text
    assert officer.post(where, data={"status": "in_use"}).status_code == 403
    assert officer.post(f"{where}/attributions").status_code == 403


def test_a_form_is_not_older_than_what_it_says_it_has_seen(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody retires the recorder while its page is being made."""
    administrator, where = office.client("administrator"), f"/recorders/{office.recorder_id}"
    newest_change = seen._newest_change

    def overtaken(*of: Any) -> int:
        monkeypatch.undo()
        with ThreadPoolExecutor(1) as elsewhere:
            retired = elsewhere.submit(
                administrator.patch, f"/api/v1{where}", json={"status": "retired"}
            )
            assert retired.result().status_code == 200
        return newest_change(*of)

    monkeypatch.setattr(seen, "_newest_change", overtaken)
    form = administrator.get(where, headers=ENGLISH).text
    (has_seen,) = re.findall(r'name="seen" value="(\d+)"', form)
    (status,) = re.findall(r'<option value="(\w+)" selected>', form.split('id="status"')[1])
    saved = administrator.post(where, data={"seen": has_seen, "status": status, "model": "A8"})
    assert (status, saved.status_code) in (("retired", 302), ("in_use", 422))
    assert administrator.get(f"/api/v1{where}").json["status"] == "retired"


def test_a_form_and_a_hand_out_at_once_wait_for_each_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    administrator, where = office.client("administrator"), f"/recorders/{office.recorder_id}"
    out = {"officer": str(office.officers["officer"])}
    newest_change, in_turn = seen._newest_change, threading.Event()

    def slowly(*of: Any) -> int:
        if request.method == "POST":
            in_turn.set()
            time.sleep(0.5)
        return newest_change(*of)

    monkeypatch.setattr(seen, "_newest_change", slowly)
    with ThreadPoolExecutor(1) as elsewhere:
        saved = elsewhere.submit(posted, administrator, where, model="A8")
        assert in_turn.wait(10)
        handed = office.client("officer").post(f"/api/v1{where}/checkouts", json=out)
        assert (saved.result()[0], handed.status_code) == (302, 201)


def test_json_that_opens_one_bracket_in_another_without_end_is_refused(office: Office) -> None:
    deep = "[" * 100_000
    answer = office.client("administrator").patch(
        f"{URL}/HD-012", data=deep, content_type="application/json"
    )
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


def test_an_attribution_that_was_interrupted_goes_on_from_the_page(office: Office) -> None:
    claimed = {"recorder_id": None, "officer_id": None, "recorder_claim": "hd012"}
    flags = ["recorder_unknown", "wearer_unknown"]
    exhibit = office.exhibit(unit_id=None, **claimed, flags=flags)
    administrator, where = office.client("administrator"), f"/recorders/{office.recorder_id}"
    told = "belongs to it now: 1."
    assert (
        told
        in administrator.post(f"{where}/attributions", headers=ENGLISH, follow_redirects=True).text
    )
    assert office.client("officer").get(f"/api/v1/exhibits/{exhibit}").status_code == 200


def test_a_recorder_goes_out_and_comes_back(office: Office, clock: SteppingClock) -> None:
    client, ledger = office.client("officer"), f"{URL}/HD-012/checkouts"
    request = {"officer": str(office.officers["officer"]), "purpose": "巡查"}
    out = client.post(ledger, json=request)
    assert (out.status_code, out.json["checked_in_at"]) == (201, None)
    assert client.post(ledger, json=request).json["code"] == "already_checked_out"
    clock.step(hours=4)
    back = f"{ledger}/{out.json['id']}/check-in"
    assert client.post(back, json={}).json["checked_in_at"] is not None
    assert client.post(back, json={}).status_code == 200
    assert len(client.get(ledger).json["items"]) == 1
    assert office.kinds(office.recorder_id) == ["recorder:checked_out", "recorder:checked_in"]


def test_a_checkout_of_another_recorder_is_not_there(office: Office) -> None:
    client = office.client("officer")
    answer = client.post(f"{URL}/HD-012/checkouts/{uuid4()}/check-in", json={})
    assert answer.status_code == 404


def test_a_time_without_its_offset_is_refused(office: Office) -> None:
    request = {"officer": str(office.officers["officer"]), "at": "2023-09-15T08:00:00"}
    answer = office.client("officer").post(f"{URL}/HD-012/checkouts", json=request)
    assert (answer.status_code, answer.json["code"]) == (422, "naive_time")
