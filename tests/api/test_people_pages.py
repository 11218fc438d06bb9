"""Units, officers and accounts in the console: who may enter them, and what a mistake costs."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from evidence.people.actor import Role
from evidence.people.models import Officer, Unit
from server.accounts.models import Account
from server.extensions import db
from tests.api.forms import PASSWORD, logged_in, only, opened, posted, seen_in
from tests.api.office import Office


@pytest.fixture
def administrator(office: Office) -> FlaskClient:
    return office.client("administrator")


def test_a_bureau_is_entered_by_forms_alone_and_its_people_can_work(
    office: Office, administrator: FlaskClient
) -> None:
    assert posted(administrator, "/units", name="执法三队", kind="both")[0] == 302
    unit: Unit = only(office, Unit, name="执法三队")
    certificate = {"number": "湘D90001", "valid_from": "2023-01-01", "valid_to": "2027-12-31"}
    entered = posted(
        administrator, "/people", name=" 周八 ", badge="430999", unit=unit.id, **certificate
    )
    assert entered[0] == 302
    officer: Officer = only(office, Officer, name="周八", badge="430999")
    said = {"username": "zhouba", "role": ["officer", "handler"], "officer": officer.id}
    status, page = posted(administrator, "/accounts", **said)
    shown = PASSWORD.search(page)
    assert status == 200
    assert shown is not None
    zhouba = logged_in(office, "zhouba", shown[1])
    assert zhouba is not None
    assert "周八" in zhouba.get("/people").text
    assert office.kinds(officer.id) == ["officer:registered"]
    # Shown this once: no page says it again.
    account: Account = only(office, Account, username="zhouba")
    assert shown[1] not in administrator.get(f"/accounts/{account.id}").text


def test_a_form_that_cannot_be_accepted_comes_back_as_it_was_typed(
    administrator: FlaskClient, office: Office
) -> None:
    said = {"name": "周八", "badge": "430999", "unit": office.units["squad"]}
    backwards = {"number": "湘D9", "valid_from": "2024-02-02", "valid_to": "2024-02-01"}
    status, page = posted(administrator, "/people", **said, **backwards)
    assert status == 422
    assert "a later one" in page
    for typed in ("周八", "430999", "湘D9", "2024-02-02", "2024-02-01"):
        assert f'value="{typed}"' in page
    status, page = posted(administrator, "/units", name="城东所", kind="brigade")
    assert (status, "Kind" in page, 'value="城东所"' in page) == (422, True, True)
    status, page = posted(administrator, "/accounts", username="zhouba")
    assert (status, "Roles" in page, 'value="zhouba"' in page) == (422, True, True)
    taken = posted(administrator, "/units", name="执法大队", kind="both")
    assert taken[0] == 422


@pytest.mark.parametrize("unit", ["", "squad", str(UUID(int=7))])
def test_a_unit_that_is_none_is_refused(administrator: FlaskClient, unit: str) -> None:
    said = {"name": "周八", "badge": "430999", "unit": unit}
    assert posted(administrator, "/people", **said)[0] == 422


def test_a_certificate_is_added_prolonged_and_taken_away_on_the_officers_page(
    office: Office, administrator: FlaskClient
) -> None:
    where = f"/people/{office.officers['officer']}"

    def change(*rows: tuple[str, str, str]) -> list[tuple[str, str]]:
        numbers, begins, ends = zip(*rows, strict=True)
        said = {"number": [*numbers], "valid_from": [*begins], "valid_to": [*ends]}
        assert posted(administrator, where, name="张02", status="active", **said)[0] == 302
        api = administrator.get(f"/api/v1/officers/{office.officers['officer']}").json
        return [(c["number"], c["valid_to"]) for c in api["certificates"]]

    blank = ("", "", "")
    first, second = ("湘D1", "2023-01-01", "2023-12-31"), ("湘D2", "2024-01-01", "2028-12-31")
    assert change(first, blank) == [("湘D1", "2023-12-31")]
    assert change(first, second) == [("湘D1", "2023-12-31"), ("湘D2", "2028-12-31")]
    assert change(blank, second, blank) == [("湘D2", "2028-12-31")]
    assert office.kinds(office.officers["officer"]) == ["officer:changed"] * 3


def test_who_has_left_is_not_listed_and_found_when_asked_for(
    office: Office, administrator: FlaskClient
) -> None:
    officer = administrator.get(f"/api/v1/officers/{office.officers['officer']}").json
    where = f"/people/{officer['id']}"
    said = {"name": officer["name"], "status": "left", "unit": officer["unit"]["id"]}
    assert posted(administrator, where, **said)[0] == 302
    link = f'href="{where}"'
    assert link not in administrator.get("/people").text
    assert link in administrator.get("/people?left=1").text
    assert office.client("officer").get("/people").status_code in (302, 401)


_WRITING = {
    "/units": {"name": "城东所", "kind": "both"},
    "/units/{unit}": {"name": "城东所", "kind": "both"},
    "/people": {"name": "周八", "badge": "430999", "unit": "{unit}"},
    "/people/{officer}": {"name": "周九"},
    "/accounts": {"username": "zhouba", "role": "administrator"},
    "/accounts/{account}": {"role": "administrator", "active": "true"},
    "/accounts/{account}/password": {},
}


@pytest.mark.parametrize("who", [r.value for r in Role if r is not Role.ADMINISTRATOR] + [""])
def test_nobody_but_an_administrator_enters_people(office: Office, who: str) -> None:
    account, password = opened(office, "somebody")
    named = {"unit": office.units["squad"], "officer": office.officers["officer"]}
    for path, said in _WRITING.items():
        where = path.format(**named, account=account)
        form = {key: value.format(**named) for key, value in said.items()}
        answer = office.client(who or None).post(where, data=form)
        assert answer.status_code in ((403, 404) if who else (302, 400, 401)), (where, answer.text)
    for path in ("/accounts", f"/accounts/{account}"):
        answer = office.client(who or None).get(path)
        assert answer.status_code == (403 if who else 302 if "text" in answer.mimetype else 401)
    assert logged_in(office, "somebody", password) is not None
    with office.app.app_context():
        assert db.session.scalar(select(Unit).where(Unit.name == "城东所")) is None
        assert db.session.scalar(select(Officer).where(Officer.badge == "430999")) is None


def test_an_officer_of_another_unit_is_nobody_to_an_officer(office: Office) -> None:
    client = office.client("officer")
    assert client.get(f"/people/{office.officers['officer']}").status_code == 200
    assert client.get(f"/people/{office.officers['other_officer']}").status_code == 404
    assert client.get(f"/people/{uuid4()}").status_code == 404
    assert client.get("/units").status_code == 200
    assert client.get(f"/units/{uuid4()}").status_code == 404


def test_another_officer_or_password_ends_the_logins_of_an_account(office: Office) -> None:
    account, password = opened(office, "somebody")
    where = f"/accounts/{account}"
    for said in (
        {"role": "auditor", "active": "true", "officer": office.officers["officer"]},
        {"role": "auditor", "active": "false", "officer": office.officers["officer"]},
    ):
        somebody = logged_in(office, "somebody", password)
        assert somebody is not None
        assert somebody.get("/exhibits").status_code == 200
        assert posted(office.client("administrator"), where, **said)[0] == 302
        assert somebody.get("/api/v1/exhibits").status_code == 401
    assert logged_in(office, "somebody", password) is None
    posted(office.client("administrator"), where, role="auditor", active="true")
    status, page = posted(office.client("administrator"), f"{where}/password")
    shown = PASSWORD.search(page)
    assert (status, shown is not None) == (200, True)
    assert logged_in(office, "somebody", password) is None
    assert logged_in(office, "somebody", shown[1] if shown else "") is not None
    changed = [kind for kind in office.kinds(account) if kind == "account:changed"]
    assert len(changed) == 4


def test_the_last_administrator_stays_one(office: Office) -> None:
    account: Account = only(office, Account, username="administrator")
    where, client = f"/accounts/{account.id}", office.client("administrator")
    for said in (
        {"role": "auditor", "active": "true"},
        {"role": "administrator", "active": "false"},
    ):
        status, page = posted(client, where, **said)
        assert status == 422
        assert "An administrator must remain" in page
    # Nor does one make oneself a password that nobody gets to see.
    assert posted(client, f"{where}/password")[0] == 302
    assert client.get("/accounts").status_code == 200


def test_who_has_left_stays_out_whatever_is_saved_of_the_account(office: Office) -> None:
    account, password = opened(office, "somebody", "supervisor")
    officer, administrator = office.officers["officer"], office.client("administrator")
    where = f"/accounts/{account}"
    both = {"role": ["auditor", "supervisor"], "active": "true", "officer": officer}
    assert posted(administrator, where, **both)[0] == 302
    assert posted(administrator, f"/people/{officer}", status="left")[0] == 302
    assert logged_in(office, "somebody", password) is None
    page = administrator.get(where).text
    # What a browser sends of the form as it stands: the officer is still chosen.
    assert re.search(rf'<option value="{officer}" selected>', page)
    assert posted(administrator, where, **{**both, "role": "auditor"})[0] == 302
    assert logged_in(office, "somebody", password) is None
    # Nor is anybody given somebody who has left.
    other, _ = opened(office, "other")
    said = {"role": "auditor", "active": "true", "officer": officer}
    assert posted(administrator, f"/accounts/{other}", **said)[0] == 422


def test_the_only_administrator_does_not_leave(office: Office) -> None:
    administrator: Account = only(office, Account, username="administrator")
    officer, client = office.officers["officer"], office.client("administrator")
    with office.writing() as session:
        session.get_one(Account, administrator.id).officer_id = officer
    status, page = posted(client, f"/people/{officer}", status="left")
    assert (status, "An administrator must remain" in page) == (422, True)
    left = client.patch(f"/api/v1/officers/{officer}", json={"status": "left"})
    assert (left.status_code, left.json["code"]) == (409, "administrator_needed")
    assert client.get("/accounts").status_code == 200


@pytest.mark.parametrize("what", ["accounts", "people", "units", "recorders"])
def test_a_form_that_was_opened_before_somebody_elses_change_does_not_undo_it(
    office: Office, administrator: FlaskClient, what: str
) -> None:
    account, _ = opened(office, "somebody")
    where, theirs, mine = {
        "accounts": (
            f"/accounts/{account}",
            {"role": "auditor", "active": "false"},
            {"role": "leader", "active": "true"},
        ),
        "people": (
            f"/people/{office.officers['officer']}",
            {"status": "left"},
            {"name": "张三", "status": "active"},
        ),
        "units": (
            f"/units/{office.units['street']}",
            {"kind": "both"},
            {"name": "城关市场监管所", "kind": "inspection"},
        ),
        "recorders": (
            f"/recorders/{office.recorder_id}",
            {"status": "repair"},
            {"model": "DSJ-A7", "status": "in_use"},
        ),
    }[what]
    earlier = seen_in(administrator.get(where).text)
    assert posted(administrator, where, **theirs)[0] == 302
    status, page = posted(administrator, where, **mine, seen=earlier)
    assert status == 422
    assert "Somebody else has changed this" in page
    # Looked at, and saved again.
    assert posted(administrator, where, **mine, seen=seen_in(page))[0] == 302
    assert posted(administrator, where, **mine, seen="nothing")[0] == 422


def test_what_a_form_does_not_have_stays(office: Office, administrator: FlaskClient) -> None:
    officer, unit = office.officers["officer"], office.units["street"]
    held = administrator.get(f"/api/v1/officers/{officer}").json["certificates"]
    assert held
    assert posted(administrator, f"/people/{officer}", name="张三")[0] == 302
    assert administrator.get(f"/api/v1/officers/{officer}").json["certificates"] == held
    torn = {"number": ["a", "b"], "valid_from": "2023-01-01", "valid_to": "2023-12-31"}
    assert posted(administrator, f"/people/{officer}", **torn)[0] == 422
    before = {u["id"]: u["hands_over_to"] for u in administrator.get("/api/v1/units").json["items"]}
    assert posted(administrator, f"/units/{unit}", name="城关市场监管所")[0] == 302
    after = {u["id"]: u["hands_over_to"] for u in administrator.get("/api/v1/units").json["items"]}
    assert {i: u and u["id"] for i, u in after.items()} == {
        i: u and u["id"] for i, u in before.items()
    }


def test_whoever_shares_a_name_is_seen_by_its_owner(office: Office) -> None:
    account, _ = opened(office, "somebody")
    said = {"role": "auditor", "active": "true", "officer": office.officers["officer"]}
    assert "somebody" not in office.client("officer").get("/accounts/own").text
    posted(office.client("administrator"), f"/accounts/{account}", **said)
    assert "somebody" in office.client("officer").get("/accounts/own").text
