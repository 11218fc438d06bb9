"""Officers and units over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.api.office import Office

UNITS, OFFICERS = "/api/v1/units", "/api/v1/officers"
CERTIFICATE = {"number": "湘D90001", "valid_from": "2023-01-01", "valid_to": "2027-12-31"}


def test_an_officer_sees_the_own_unit_with_its_certificates(office: Office) -> None:
    answer = office.client("officer").get("/api/v1/officers")
    units = {officer["unit"]["id"] for officer in answer.json["items"]}
    assert units == {str(office.units["squad"])}
    assert answer.json["items"][0]["certificates"][0]["valid_to"] == "2023-09-20"
    stranger = office.officers["other_officer"]
    assert office.client("officer").get(f"/api/v1/officers/{stranger}").status_code == 404
    assert office.client("supervisor").get(f"/api/v1/officers/{stranger}").status_code == 200


def test_officers_are_found_by_a_part_of_a_certificate_number(office: Office) -> None:
    found = office.client("supervisor").get("/api/v1/officers?text=湘D00003")
    assert len(found.json["items"]) == 1
    wild = office.client("supervisor").get("/api/v1/officers?text=%25")
    assert wild.json["items"] == []


def test_units_are_listed_with_whom_they_hand_over_to(office: Office) -> None:
    found = office.client("officer").get("/api/v1/units").json["items"]
    handed = {unit["name"]: unit["hands_over_to"] for unit in found}
    assert handed["城关所"]["name"] == "执法大队"
    assert handed["执法大队"] is None


def test_a_bureau_is_entered_from_nothing_and_its_people_can_work(office: Office) -> None:
    administrator = office.client("administrator")
    brigade = administrator.post(UNITS, json={"name": "执法三队", "kind": "handling"})
    assert (brigade.status_code, brigade.json["hands_over_to"]) == (201, None)
    station = {"name": "城东所", "kind": "inspection", "hands_over_to": brigade.json["id"]}
    made = administrator.post(UNITS, json=station)
    assert made.json["hands_over_to"] == {"id": brigade.json["id"], "name": "执法三队"}
    assert administrator.post(UNITS, json=station).status_code == 409
    officer = {"name": "周八", "badge": "430999", "unit": brigade.json["id"]}
    entered = administrator.post(OFFICERS, json={**officer, "certificates": [CERTIFICATE]})
    assert entered.status_code == 201
    assert entered.json["certificates"] == [CERTIFICATE]
    assert entered.json["status"] == "active"
    assert administrator.post(OFFICERS, json=officer).status_code == 409
    account = {
        "username": "zhouba",
        "password": "correct horse battery",
        "roles": ["handler"],
        "officer_id": entered.json["id"],
    }
    assert administrator.post("/api/v1/accounts", json=account).status_code == 201
    login = {"username": "zhouba", "password": "correct horse battery"}
    token = office.client().post("/api/v1/auth/token", json=login).json["token"]
    case = {
        "number": "衡东市监罚字〔2023〕77号",
        "party": "王记",
        "sector": "food",
        "filed_on": "2023-09-15",
    }
    headers = {"Authorization": f"Bearer {token}"}
    filed = office.client().post("/api/v1/cases", json=case, headers=headers)
    assert filed.status_code == 201, filed.text
    assert office.kinds(brigade.json["id"]) == ["unit:registered"]
    assert office.kinds(entered.json["id"]) == ["officer:registered"]


def test_a_change_of_people_is_an_event_that_says_how_they_are_now(office: Office) -> None:
    administrator, who = office.client("administrator"), office.officers["officer"]
    one = f"{OFFICERS}/{who}"
    before = administrator.get(one).json
    moved = {"unit": str(office.units["street"]), "certificates": [CERTIFICATE]}
    changed = administrator.patch(one, json=moved).json
    assert changed["unit"]["id"] == moved["unit"]
    assert changed["certificates"] == [CERTIFICATE]
    assert (changed["name"], changed["badge"]) == (before["name"], before["badge"])
    longer = {**CERTIFICATE, "valid_to": "2029-12-31"}
    assert administrator.patch(one, json={"certificates": [longer]}).json["certificates"] == [
        longer
    ]
    assert administrator.patch(one, json={"status": "left"}).json["status"] == "left"
    assert administrator.patch(one, json={"status": "left"}).status_code == 200
    assert office.kinds(who) == ["officer:changed"] * 3
    renamed = administrator.patch(f"{UNITS}/{office.units['squad']}", json={"name": "执法一大队"})
    assert renamed.json["name"] == "执法一大队"
    assert office.kinds(office.units["squad"]) == ["unit:changed"]


@pytest.mark.parametrize(
    ("url", "change"),
    [
        (UNITS, {"name": " ", "kind": "both"}),
        (UNITS, {"name": "城东所", "kind": "brigade"}),
        (UNITS, {"name": "城东所", "kind": "inspection", "hands_over_to": str(uuid4())}),
        (OFFICERS, {"unit": str(uuid4())}),
        (OFFICERS, {"name": ""}),
        (OFFICERS, {"badge": "  "}),
        (OFFICERS, {"certificates": [CERTIFICATE, CERTIFICATE]}),
        (OFFICERS, {"certificates": [CERTIFICATE, {**CERTIFICATE, "number": "湘D90001 "}]}),
        (OFFICERS, {"certificates": [{**CERTIFICATE, "valid_to": "2022-12-31"}]}),
        (OFFICERS, {"certificates": [{**CERTIFICATE, "valid_from": "soon"}]}),
    ],
)
def test_what_cannot_be_so_is_not_entered(office: Office, url: str, change: dict[str, Any]) -> None:
    officer = {"name": "周八", "badge": "430999", "unit": str(office.units["squad"])}
    said = {**officer, **change} if url == OFFICERS else change
    answer = office.client("administrator").post(url, json=said)
    assert answer.status_code == 422, answer.text
    everybody = office.client("administrator").get(OFFICERS).json["items"]
    assert "430999" not in {each["badge"] for each in everybody}


def test_a_change_that_is_refused_changes_nothing_and_is_no_event(office: Office) -> None:
    administrator, who = office.client("administrator"), office.officers["officer"]
    before = administrator.get(f"{OFFICERS}/{who}").json
    for wrong in ({"unit": str(uuid4())}, {"certificates": [CERTIFICATE, CERTIFICATE]}):
        said = {"name": "周九", "status": "left", **wrong}
        assert administrator.patch(f"{OFFICERS}/{who}", json=said).status_code == 422
    assert administrator.get(f"{OFFICERS}/{who}").json == before
    assert office.kinds(who) == []


def test_whom_others_hand_over_to_goes_on_handling_cases(office: Office) -> None:
    administrator = office.client("administrator")
    handed = next(u for u in administrator.get(UNITS).json["items"] if u["hands_over_to"])
    to = f"{UNITS}/{handed['hands_over_to']['id']}"
    assert administrator.patch(to, json={"kind": "inspection"}).status_code == 422
    assert administrator.patch(to, json={"kind": "both"}).status_code == 200
    itself = {"hands_over_to": handed["id"]}
    assert administrator.patch(f"{UNITS}/{handed['id']}", json=itself).status_code == 422
    assert (
        administrator.patch(f"{UNITS}/{handed['id']}", json={"hands_over_to": None}).json[
            "hands_over_to"
        ]
        is None
    )
