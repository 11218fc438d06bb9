"""Cases over HTTP: filed by the unit that may, found however the number is written."""

from __future__ import annotations

from uuid import uuid4

import pytest

from server.pages import cases as pages
from tests.api.office import CASE, Office

FILING = {"number": CASE, "party": "王记食品店", "sector": "food", "filed_on": "2023-09-15"}


def test_a_case_is_filed_and_found_however_its_number_is_written(office: Office) -> None:
    filed = office.file_case("衡东市监罚字(2023)451号")
    assert filed["number"] == CASE
    for written in (CASE, "衡东市监罚字[2023] 451 号", "衡东市监罚字【2023】第451号"):
        answer = office.client("handler").get("/api/v1/cases", query_string={"number": written})
        assert [case["id"] for case in answer.json["items"]] == [filed["id"]]
    assert office.kinds(filed["id"]) == ["case:filed"]


def test_a_malformed_number_is_refused_in_words_that_help(office: Office) -> None:
    answer = office.client("handler").get("/api/v1/cases?number=衡东市监罚字〔23〕451号")
    assert (answer.status_code, answer.json["code"]) == (422, "malformed_case_number")
    assert "four digits" in answer.json["title"]
    assert CASE in answer.json["title"]


def test_an_unknown_number_is_not_found(office: Office) -> None:
    answer = office.client("handler").get(f"/api/v1/cases?number={CASE}")
    assert (answer.status_code, answer.json["code"]) == (404, "case_not_found")


def test_a_number_is_filed_once(office: Office) -> None:
    office.file_case()
    answer = office.client("handler").post("/api/v1/cases", json=FILING)
    assert (answer.status_code, answer.json["code"]) == (409, "conflict")


def test_a_filing_sent_twice_under_one_id_is_one_case(office: Office) -> None:
    said = {**FILING, "id": str(uuid4())}
    first = office.client("handler").post("/api/v1/cases", json=said)
    again = office.client("handler").post("/api/v1/cases", json=said)
    assert first.json == again.json
    assert office.kinds(said["id"]) == ["case:filed"]
    other = office.client("handler").post("/api/v1/cases", json={**said, "party": "李记"})
    assert (other.status_code, other.json["code"]) == (409, "identifier_reused")


@pytest.mark.parametrize("who", ["street_officer", "street_handler"])
def test_an_inspection_unit_files_no_case(office: Office, who: str) -> None:
    answer = office.client(who).post("/api/v1/cases", json=FILING)
    assert answer.status_code == 403
    assert answer.json["code"] == "inspection_separated_from_penalty"


@pytest.mark.parametrize("who", ["officer", "supervisor", "auditor", "administrator", "reviewer"])
def test_a_role_that_does_not_handle_cases_files_none(office: Office, who: str) -> None:
    answer = office.client(who).post("/api/v1/cases", json=FILING)
    assert (answer.status_code, answer.json["code"]) == (403, "access_denied")


def test_another_units_case_is_not_there(office: Office) -> None:
    case = office.file_case()
    stranger = office.client("other_handler")
    assert stranger.get(f"/api/v1/cases/{case['id']}").status_code == 404
    assert stranger.get(f"/api/v1/cases?number={CASE}").status_code == 404
    assert stranger.get("/api/v1/cases").json["items"] == []
    assert stranger.patch(f"/api/v1/cases/{case['id']}", json={}).status_code == 404


def test_looking_at_a_case_is_an_event(office: Office) -> None:
    case = office.file_case()
    assert office.client("supervisor").get(f"/api/v1/cases/{case['id']}").status_code == 200
    assert office.kinds(case["id"]) == ["case:filed", "case:viewed"]


def test_a_case_sent_to_a_reviewer_is_within_reach_of_that_reviewer_alone(office: Office) -> None:
    case = office.file_case()
    exhibit = office.exhibit()
    office.client("handler").post(f"/api/v1/exhibits/{exhibit}/links", json={"case_number": CASE})
    reviewer = office.client("reviewer")
    assert reviewer.get(f"/api/v1/exhibits/{exhibit}").status_code == 404
    sent = office.client("handler").patch(
        f"/api/v1/cases/{case['id']}", json={"reviewer": str(office.officers["reviewer"])}
    )
    assert sent.status_code == 200
    assert reviewer.get(f"/api/v1/exhibits/{exhibit}").status_code == 200
    assert len(reviewer.get("/api/v1/exhibits").json["items"]) == 1
    assert reviewer.get(f"/api/v1/cases/{case['id']}/custody").status_code == 200


def test_a_case_is_not_reviewed_by_its_handler(office: Office) -> None:
    case = office.file_case()
    answer = office.client("handler").patch(
        f"/api/v1/cases/{case['id']}", json={"reviewer": str(office.officers["handler"])}
    )
    assert answer.status_code == 409


def test_a_change_that_changes_nothing_is_no_event(office: Office) -> None:
    case = office.file_case()
    url = f"/api/v1/cases/{case['id']}"
    office.client("handler").patch(url, json={"stage": "investigating"})
    office.client("handler").patch(url, json={"stage": "investigating"})
    assert office.kinds(case["id"]) == ["case:filed", "case:changed"]


def test_only_an_archivist_archives_and_only_what_is_closed(office: Office) -> None:
    case = office.file_case()
    url = f"/api/v1/cases/{case['id']}"
    handler, archivist = office.client("handler"), office.client("archivist")
    assert archivist.patch(url, json={"stage": "archived"}).status_code == 409
    handler.patch(url, json={"stage": "closed"})
    assert handler.patch(url, json={"stage": "archived"}).status_code == 403
    assert archivist.patch(url, json={"stage": "archived"}).status_code == 200
    assert handler.patch(url, json={"party": "李记"}).json["code"] == "case_archived"
    exhibit = office.exhibit()
    links = f"/api/v1/exhibits/{exhibit}/links"
    assert handler.post(links, json={"case_number": CASE}).json["code"] == "case_archived"
    assert archivist.post(links, json={"case_number": CASE}).status_code == 201


def test_pages_of_cases_neither_miss_nor_repeat_while_cases_are_filed(office: Office) -> None:
    for n in range(1, 8):
        office.file_case(f"衡东市监罚字〔2023〕{n}号")
    client, seen, cursor = office.client("handler"), [], ""
    while cursor is not None:
        answer = client.get("/api/v1/cases", query_string={"limit": 3, "cursor": cursor})
        seen += [case["number"] for case in answer.json["items"]]
        cursor = answer.json["next"]
        if len(seen) == 3:
            office.file_case("衡东市监罚字〔2023〕99号", filed_on="2023-09-16")
    assert sorted(seen) == sorted(f"衡东市监罚字〔2023〕{n}号" for n in range(1, 8))


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=0", "limit=201", "limit=x", "cursor=%21%21", "nonsense=1"]
)
def test_a_wrong_page_is_refused(office: Office, query: str) -> None:
    for noun in ("cases", "exhibits", "inspections", "recorders", "officers", "units"):
        assert office.client("supervisor").get(f"/api/v1/{noun}?{query}").status_code == 422, noun


@pytest.mark.parametrize(
    "party", ["'; DROP TABLE cases; --", "<script>alert(1)</script>", "=HYPERLINK(1)", "左\u202e右"]
)
def test_text_is_only_text(office: Office, party: str) -> None:
    filed = office.file_case(party=party)
    assert filed["party"] == party
    found = office.client("handler").get("/api/v1/cases", query_string={"text": party})
    assert [case["party"] for case in found.json["items"]] == [party]


@pytest.mark.parametrize("party", ["", "   ", "x" * 201, "a\0b", 7, None])
def test_a_party_that_cannot_be_kept_is_refused(office: Office, party: object) -> None:
    answer = office.client("handler").post("/api/v1/cases", json={**FILING, "party": party})
    assert answer.status_code == 422
    assert "party" in answer.json["errors"]["json"]


def test_an_unknown_member_is_refused(office: Office) -> None:
    answer = office.client("handler").post("/api/v1/cases", json={**FILING, "role": "leader"})
    assert answer.status_code == 422


def test_a_page_with_many_exhibits_shows_the_first_and_leads_to_the_list_of_all(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, handler = "衡东市监罚字〔2023〕12号", office.client("handler")
    case = office.file_case(number)
    for _ in range(3):
        to = {"case_number": number}
        answer = handler.post(f"/api/v1/exhibits/{office.exhibit()}/links", json=to)
        assert answer.status_code == 201, answer.text
    office.exhibit()
    there = f"/exhibits?case={case['id']}"
    assert there not in handler.get(f"/cases/{case['id']}").text
    monkeypatch.setattr(pages, "MOST", 2)
    page = handler.get(f"/cases/{case['id']}").text
    assert page.count('class="card poster-card"') == 2
    assert f'href="{there}"' in page
    listed = handler.get(there).text
    assert listed.count('name="exhibit"') == 3
    # It says to which case it is narrowed, but to nobody who may not know of the case.
    assert number in listed
    assert number not in office.client("other_handler").get(there).text
