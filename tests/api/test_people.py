"""Officers and units over HTTP."""

from __future__ import annotations

from tests.api.office import Office


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
