"""Every route of the API against nobody, against a stranger's claims, and against every role."""

from __future__ import annotations

from uuid import uuid4

import pytest

from evidence.people.actor import Role
from tests.api.office import CASE, Office

# What anybody may ask without a login; a route that is not here needs one.
PUBLIC = {
    ("POST", "/api/v1/auth/token"),
    ("GET", "/api/docs"),
    ("GET", "/api/openapi.json"),
}


def _routes(office: Office) -> list[tuple[str, str]]:
    found = []
    for rule in office.app.url_map.iter_rules():
        if not rule.rule.startswith("/api/"):
            continue
        values = {name: "HD-012" if name == "name" else uuid4() for name in rule.arguments}
        with office.app.test_request_context():
            built = rule.build(values, append_unknown=False)
        assert built, rule
        methods = (rule.methods or set()) - {"OPTIONS", "HEAD"}
        found += [(method, rule.rule, built[1]) for method in methods]
    return [(method, url) for method, rule, url in found if (method, rule) not in PUBLIC]


def test_nobody_reaches_any_route_that_is_not_public(office: Office) -> None:
    routes = _routes(office)
    assert len(routes) > 30
    for method, url in routes:
        answer = office.client().open(url, method=method, headers={"Tus-Resumable": "1.0.0"})
        if "/uploads/" in url and method in ("POST", "PUT"):
            # Only there to be overridden (X-HTTP-Method-Override); by themselves they are nothing.
            assert answer.status_code == 404
            continue
        assert answer.status_code == 401, (method, url)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Role": "supervisor"},
        {"X-Forwarded-User": "supervisor", "X-Remote-User": "supervisor"},
        {"Authorization": "Bearer supervisor"},
        {"Authorization": "Basic c3VwZXJ2aXNvcjpz"},
        {"Cookie": "session=supervisor; role=supervisor"},
    ],
)
def test_a_role_that_is_only_claimed_is_worth_nothing(
    office: Office, headers: dict[str, str]
) -> None:
    assert office.client().get("/api/v1/exhibits", headers=headers).status_code == 401
    exhibit = office.exhibit()
    claimed = {"X-Role": "supervisor", "X-Unit": str(office.units["squad"])}
    stranger = office.client("other_officer")
    assert stranger.get(f"/api/v1/exhibits/{exhibit}", headers=claimed).status_code == 404


# What each role gets, in the order of its name: 2 done, 3 refused (403), 4 not there (404).
_COLUMNS = "officer handler supervisor reviewer leader archivist auditor administrator station"
_MATRIX = {
    "GET exhibits": "2 2 2 2 2 2 2 3 3",
    "GET exhibits/E": "2 2 2 4 2 2 2 4 4",
    "GET exhibits/E/custody": "2 2 2 4 2 2 2 4 4",
    "GET exhibits/E/original": "3 2 2 4 3 2 3 4 4",
    "GET exhibits/E/original?play=1": "2 2 2 4 2 2 3 4 4",
    "GET exhibits/E/proof": "3 5 5 4 3 5 5 4 4",
    "POST exhibits/E/links": "3 2 3 4 3 2 3 4 4",
    "GET cases": "2 2 2 2 2 2 2 3 3",
    "GET cases/C": "2 2 2 4 2 2 2 4 4",
    "GET cases/C/custody": "2 2 2 4 2 2 2 4 4",
    "PATCH cases/C": "3 2 3 4 3 3 3 4 4",
    "POST cases": "3 2 3 3 3 3 3 3 3",
    "GET inspections": "2 2 2 3 2 2 3 3 3",
    "GET recorders": "2 2 2 3 2 3 2 2 3",
    "GET recorders/HD-012": "2 2 2 4 2 4 2 2 4",
    "POST recorders": "3 3 3 3 3 3 3 2 3",
    "POST recorders/HD-012/attributions": "3 3 3 4 3 4 3 2 4",
    "POST units": "3 3 3 3 3 3 3 2 3",
    "POST officers": "3 3 3 3 3 3 3 2 3",
    "PATCH units/U": "3 3 3 3 3 3 3 2 3",
    "PATCH officers/O": "3 3 3 4 3 3 3 2 4",
    "POST recorders/HD-012/checkouts": "2 2 3 4 3 4 3 2 4",
    "GET officers": "2 2 2 3 2 2 2 2 3",
    "GET units": "2 2 2 3 2 2 2 2 3",
}


@pytest.mark.parametrize("who", [*(r.value for r in Role)])
def test_each_role_gets_what_the_table_gives_and_no_more(
    office: Office, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.api.originals._SEQUENCED_WITHIN", 0.0)
    case = office.file_case()
    exhibit = office.exhibit(b"footage")
    bodies = {
        "POST exhibits/E/links": {"case_number": CASE},
        "PATCH cases/C": {"party": "李记"},
        "POST cases": {
            "number": "衡东市监罚字〔2023〕9号",
            "party": "x",
            "sector": "food",
            "filed_on": "2023-09-15",
        },
        "POST recorders": {"number": "HD-999", "unit": str(office.units["squad"])},
        "POST units": {"name": "城东所", "kind": "inspection"},
        "POST officers": {"name": "周八", "badge": "430999", "unit": str(office.units["squad"])},
        "PATCH units/U": {"name": "执法一大队"},
        "PATCH officers/O": {"name": "周九"},
        "POST recorders/HD-012/checkouts": {"officer": str(office.officers["officer"])},
    }
    column = _COLUMNS.split().index(who)
    for what, outcomes in _MATRIX.items():
        method, path = what.split(" ")
        path = path.replace("/E", f"/{exhibit}").replace("/C", f"/{case['id']}")
        path = path.replace("/U", f"/{office.units['squad']}")
        path = path.replace("/O", f"/{office.officers['officer']}")
        answer = office.client(who).open(f"/api/v1/{path}", method=method, json=bodies.get(what))
        expected = {"2": (200, 201), "3": (403,), "4": (404,), "5": (503,)}
        assert answer.status_code in expected[outcomes.split()[column]], (what, answer.text)
