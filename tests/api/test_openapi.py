"""The API describes itself, from the schemas, without help from elsewhere."""

from __future__ import annotations

import re

import pytest

from tests.api.office import Office


def test_every_noun_is_in_the_description(office: Office) -> None:
    spec = office.client().get("/api/openapi.json").json
    assert spec["openapi"] == "3.1.0"
    for noun in ("exhibits", "cases", "inspections", "recorders", "officers", "units", "uploads"):
        assert f"/api/v1/{noun}" in spec["paths"], noun
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                assert operation.get("summary"), (method, path)


def test_every_route_of_the_api_is_described(office: Office) -> None:
    described = {
        (re.sub(r"{\w+}", "*", path), method.upper())
        for path, operations in office.client().get("/api/openapi.json").json["paths"].items()
        for method in operations
    }
    own = {
        (re.sub(r"<[^>]+>", "*", rule.rule), method)
        for rule in office.app.url_map.iter_rules()
        if rule.rule.startswith(("/api/v1/", "/log/", "/healthz", "/readyz", "/metrics"))
        and not rule.rule.endswith("<path:anything>")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert own - described == set()


def test_the_documentation_page_needs_nothing_from_elsewhere(office: Office) -> None:
    page = office.client().get("/api/docs")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert " style=" not in page.text
    assert not re.search(r'(src|stylesheet" href)="(https?:)?//', page.text)
    for path in ("/api/v1/exhibits/{exhibit_id}/original", "/api/v1/cases", "衡东市监罚字"):
        assert path in page.text, path
    sheet = re.search(r'href="(/static/[^"]+)"', page.text)
    assert sheet
    with office.client().get(sheet[1]) as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/exhibits/1"])
def test_what_is_not_there_is_a_problem_document(office: Office, path: str) -> None:
    answer = office.client("supervisor").get(path)
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_a_body_that_is_no_json_is_refused(office: Office) -> None:
    client = office.client("handler")
    for body in (b"{", b"[1", b"\xff"):
        answer = client.post("/api/v1/cases", data=body, content_type="application/json")
        assert answer.status_code in (400, 422)
        assert answer.content_type == "application/problem+json"
