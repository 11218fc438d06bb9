"""Inspections over HTTP: sent twice they are one, and everybody named was licensed that day."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.api.office import Office

URL = "/api/v1/inspections"


def _record(office: Office, **members: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "party": "李记食品店",
        "place": "城关镇",
        "started_at": "2023-09-15T09:00:00+08:00",
        "ended_at": "2023-09-15T10:00:00+08:00",
        "officers": [str(office.officers["officer"]), str(office.officers["street_officer"])],
        "id_shown": True,
        "recording_told": True,
        "result": "no_finding",
        "findings": "",
        **members,
    }


def test_a_record_sent_twice_is_one(office: Office) -> None:
    record, client = _record(office), office.client("officer")
    first = client.post(URL, json=record)
    again = client.post(URL, json=record)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    assert office.kinds(record["id"]) == ["inspection:recorded"]
    assert client.get(f"{URL}/{record['id']}").json == first.json


def test_the_same_moment_in_another_offset_is_the_same_record(office: Office) -> None:
    record, client = _record(office), office.client("officer")
    client.post(URL, json=record)
    again = client.post(URL, json={**record, "started_at": "2023-09-15T01:00:00Z"})
    assert again.status_code == 200


def test_another_record_under_the_same_id_is_refused(office: Office) -> None:
    record, client = _record(office), office.client("officer")
    client.post(URL, json=record)
    other = client.post(URL, json={**record, "findings": "改过"})
    assert (other.status_code, other.json["code"]) == (409, "identifier_reused")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"officers": []}, "too_few_officers"),
        ({"ended_at": "2023-09-15T08:59:00+08:00"}, "invalid_input"),
        ({"started_at": "2023-09-15T09:00:00"}, "naive_time"),
        ({"started_at": "yesterday"}, "invalid_input"),
        ({"started_at": "0001-01-01T00:00:00+14:00"}, "invalid_input"),
        ({"party": " "}, "invalid_input"),
        ({"id": "1"}, "invalid_input"),
        ({"id_shown": "yes"}, "invalid_input"),
        ({"result": "fine"}, "invalid_input"),
        ({"unit": "x"}, "invalid_input"),
    ],
)
def test_a_record_that_cannot_be_is_refused(
    office: Office, members: dict[str, Any], code: str
) -> None:
    record = _record(office, **members)
    answer = office.client("officer").post(URL, json=record)
    assert (answer.status_code, answer.json["code"]) == (422, code)


def test_one_officer_named_twice_is_one_officer(office: Office) -> None:
    alone = str(office.officers["officer"])
    answer = office.client("officer").post(URL, json=_record(office, officers=[alone, alone]))
    assert answer.json["code"] == "too_few_officers"


def test_a_certificate_that_had_expired_is_named_with_its_officer_and_day(office: Office) -> None:
    # 00:30 in Beijing on the 21st is still the 20th in UTC, the last day of the certificates.
    record = _record(office, started_at="2023-09-20T16:30:00Z", ended_at="2023-09-20T17:00:00Z")
    answer = office.client("officer").post(URL, json=record)
    assert (answer.status_code, answer.json["code"]) == (422, "certificate_not_valid")
    assert answer.json["day"] == "2023-09-21"
    assert answer.json["officer"] in answer.json["title"]


def test_the_last_day_of_a_certificate_is_valid_in_beijing(office: Office) -> None:
    record = _record(office, started_at="2023-09-20T15:00:00Z", ended_at="2023-09-20T15:59:00Z")
    assert office.client("officer").post(URL, json=record).status_code == 201


def test_one_of_the_officers_is_of_the_unit_that_records(office: Office) -> None:
    strangers = [str(office.officers[who]) for who in ("other_officer", "other_handler")]
    answer = office.client("officer").post(URL, json=_record(office, officers=strangers))
    assert answer.status_code == 422
    unknown = [str(uuid4()), str(office.officers["officer"])]
    assert office.client("officer").post(URL, json=_record(office, officers=unknown)).json[
        "officers"
    ] == [unknown[0]]


def test_another_units_inspection_is_not_there(office: Office) -> None:
    record = _record(office)
    office.client("officer").post(URL, json=record)
    stranger = office.client("other_officer")
    assert stranger.get(f"{URL}/{record['id']}").status_code == 404
    assert stranger.get(URL).json["items"] == []
    found = office.client("supervisor").get(URL, query_string={"text": "城关"})
    assert [i["id"] for i in found.json["items"]] == [record["id"]]
