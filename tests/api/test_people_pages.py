"""Units, officers and accounts in the console: who may enter them, and what a mistake costs."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from evidence.people.actor import Role
from evidence.people.models import Officer, Unit
from server.accounts.models import Account, Token
from server.extensions import db
from tests.api.office import Office

# How the first password is shown: letters and digits that nobody takes for another.
_PASSWORD = re.compile(r'<pre class="note"[^>]*>([a-z2-9]{4}(?:-[a-z2-9]{4}){3})</pre>')
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def administrator(office: Office) -> FlaskClient:
    return office.client("administrator")


def _posted(client: FlaskClient, path: str, **said: Any) -> tuple[int, str]:
    answer = client.post(path, data=said, headers=ENGLISH)
    return answer.status_code, answer.text


def _one(office: Office, model: Any, **members: Any) -> Any:
    with office.app.app_context():
        return db.session.scalars(select(model).filter_by(**members)).one()


def _log_in(office: Office, username: str, password: str) -> FlaskClient | None:
    said = {"username": username, "password": password}
    answer = office.client().post("/api/v1/auth/token", json=said)
    if answer.status_code == 401:
        return None
    client = office.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {answer.json['token']}"
    return client


def _open(office: Office, username: str, role: str = "auditor") -> tuple[UUID, str]:
    """A new account's id and first password."""
    status, page = _posted(
        office.client("administrator"), "/accounts", username=username, role=role
    )
    shown = _PASSWORD.search(page)
    assert status == 200
    assert shown is not None
    account: Account = _one(office, Account, username=username)
    return account.id, shown[1]


def test_a_bureau_is_entered_by_forms_alone_and_its_people_can_work(
    office: Office, administrator: FlaskClient
) -> None:
    assert _posted(administrator, "/units", name="执法三队", kind="both")[0] == 302
    unit: Unit = _one(office, Unit, name="执法三队")
    certificate = {"number": "湘D90001", "valid_from": "2023-01-01", "valid_to": "2027-12-31"}
    entered = _posted(
        administrator, "/people", name=" 周八 ", badge="430999", unit=unit.id, **certificate
    )
    assert entered[0] == 302
    officer: Officer = _one(office, Officer, name="周八", badge="430999")
    said = {"username": "zhouba", "role": ["officer", "handler"], "officer": officer.id}
    status, page = _posted(administrator, "/accounts", **said)
    shown = _PASSWORD.search(page)
    assert status == 200
    assert shown is not None
    zhouba = _log_in(office, "zhouba", shown[1])
    assert zhouba is not None
    assert "周八" in zhouba.get("/people").text
    assert office.kinds(officer.id) == ["officer:registered"]
    # Shown this once: no page says it again.
    account: Account = _one(office, Account, username="zhouba")
    assert shown[1] not in administrator.get(f"/accounts/{account.id}").text


def test_a_form_that_cannot_be_accepted_comes_back_as_it_was_typed(
    administrator: FlaskClient, office: Office
) -> None:
    said = {"name": "周八", "badge": "430999", "unit": office.units["squad"]}
    backwards = {"number": "湘D9", "valid_from": "2024-02-02", "valid_to": "2024-02-01"}
    status, page = _posted(administrator, "/people", **said, **backwards)
    assert status == 422
    assert "a later one" in page
    for typed in ("周八", "430999", "湘D9", "2024-02-02", "2024-02-01"):
        assert f'value="{typed}"' in page
    status, page = _posted(administrator, "/units", name="城东所", kind="brigade")
    assert (status, "Kind" in page, 'value="城东所"' in page) == (422, True, True)
    status, page = _posted(administrator, "/accounts", username="zhouba")
    assert (status, "Roles" in page, 'value="zhouba"' in page) == (422, True, True)
    taken = _posted(administrator, "/units", name="执法大队", kind="both")
    assert taken[0] == 422


@pytest.mark.parametrize("unit", ["", "squad", str(UUID(int=7))])
def test_a_unit_that_is_none_is_refused(administrator: FlaskClient, unit: str) -> None:
    said = {"name": "周八", "badge": "430999", "unit": unit}
    assert _posted(administrator, "/people", **said)[0] == 422


def test_a_certificate_is_added_prolonged_and_taken_away_on_the_officers_page(
    office: Office, administrator: FlaskClient
) -> None:
    where = f"/people/{office.officers['officer']}"

    def change(*rows: tuple[str, str, str]) -> list[tuple[str, str]]:
        numbers, begins, ends = zip(*rows, strict=True)
        said = {"number": [*numbers], "valid_from": [*begins], "valid_to": [*ends]}
        assert _posted(administrator, where, name="张02", status="active", **said)[0] == 302
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
    assert _posted(administrator, where, **said)[0] == 302
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
    account, password = _open(office, "somebody")
    named = {"unit": office.units["squad"], "officer": office.officers["officer"]}
    for path, said in _WRITING.items():
        where = path.format(**named, account=account)
        form = {key: value.format(**named) for key, value in said.items()}
        answer = office.client(who or None).post(where, data=form)
        assert answer.status_code in ((403, 404) if who else (302, 400, 401)), (where, answer.text)
    for path in ("/accounts", f"/accounts/{account}"):
        answer = office.client(who or None).get(path)
        assert answer.status_code == (403 if who else 302 if "text" in answer.mimetype else 401)
    assert _log_in(office, "somebody", password) is not None
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
    account, password = _open(office, "somebody")
    where = f"/accounts/{account}"
    for said in (
        {"role": "auditor", "active": "true", "officer": office.officers["officer"]},
        {"role": "auditor", "active": "false", "officer": office.officers["officer"]},
    ):
        somebody = _log_in(office, "somebody", password)
        assert somebody is not None
        assert somebody.get("/exhibits").status_code == 200
        assert _posted(office.client("administrator"), where, **said)[0] == 302
        assert somebody.get("/api/v1/exhibits").status_code == 401
    assert _log_in(office, "somebody", password) is None
    _posted(office.client("administrator"), where, role="auditor", active="true")
    status, page = _posted(office.client("administrator"), f"{where}/password")
    shown = _PASSWORD.search(page)
    assert (status, shown is not None) == (200, True)
    assert _log_in(office, "somebody", password) is None
    assert _log_in(office, "somebody", shown[1] if shown else "") is not None
    changed = [kind for kind in office.kinds(account) if kind == "account:changed"]
    assert len(changed) == 4


def test_the_last_administrator_stays_one(office: Office) -> None:
    account: Account = _one(office, Account, username="administrator")
    where, client = f"/accounts/{account.id}", office.client("administrator")
    for said in (
        {"role": "auditor", "active": "true"},
        {"role": "administrator", "active": "false"},
    ):
        status, page = _posted(client, where, **said)
        assert status == 422
        assert "An administrator must remain" in page
    # Nor does one make oneself a password that nobody gets to see.
    assert _posted(client, f"{where}/password")[0] == 302
    assert client.get("/accounts").status_code == 200


# ── one's own ────────────────────────────────────────────────────────────────────────────


def _renewed(client: FlaskClient, old: str, new: str, again: str = "") -> tuple[int, str]:
    return _posted(client, "/accounts/own/password", old=old, new=new, again=again or new)


def test_a_new_password_of_ones_own_ends_every_other_login(office: Office) -> None:
    account, first = _open(office, "somebody")
    mine, elsewhere = _log_in(office, "somebody", first), _log_in(office, "somebody", first)
    assert mine is not None
    assert elsewhere is not None
    assert _renewed(mine, "something else", "correct horse battery")[0] == 422
    assert _renewed(mine, first, "correct horse battery", "correct horse")[0] == 422
    assert _renewed(mine, first, "short")[0] == 422
    assert elsewhere.get("/accounts/own").status_code == 200
    assert _renewed(mine, first, "correct horse battery")[0] == 302
    assert mine.get("/accounts/own").status_code == 200
    assert elsewhere.get("/api/v1/exhibits").status_code == 401
    assert _log_in(office, "somebody", first) is None
    assert _log_in(office, "somebody", "correct horse battery") is not None
    assert office.kinds(account).count("account:changed") == 1


def test_the_api_renews_a_password_too(office: Office) -> None:
    account, first = _open(office, "somebody")
    mine = _log_in(office, "somebody", first)
    assert mine is not None
    url = "/api/v1/auth/password"
    said = {"old": "something else", "new": "correct horse battery"}
    assert mine.put(url, json=said).status_code == 401
    short = mine.put(url, json={"old": first, "new": "short"})
    assert (short.status_code, short.json["code"]) == (422, "password_length")
    assert mine.put(url, json={**said, "old": first}).status_code == 204
    assert _log_in(office, "somebody", first) is None
    assert office.kinds(account).count("account:changed") == 1
    assert office.client("station").put(url, json={**said, "old": first}).status_code == 403
    assert office.client().put(url, json={**said, "old": first}).status_code == 401


def test_guessing_the_old_password_is_slowed_down_like_any_login(office: Office) -> None:
    _, first = _open(office, "somebody")
    mine = _log_in(office, "somebody", first)
    assert mine is not None
    seen = [_renewed(mine, f"guess number {n}", "correct horse battery") for n in range(5)]
    assert [status for status, _ in seen] == [422] * 5
    assert "Too many wrong passwords" in seen[-1][1]
    assert _renewed(mine, first, "correct horse battery")[0] == 422


def test_ones_own_logins_are_listed_and_ended_and_nobody_elses(office: Office) -> None:
    account, first = _open(office, "somebody")
    mine, elsewhere = _log_in(office, "somebody", first), _log_in(office, "somebody", first)
    assert mine is not None
    assert elsewhere is not None
    with office.app.app_context():
        query = select(Token.id).where(Token.account_id == account).order_by(Token.issued_at)
        ids = list(db.session.scalars(query))
    shown = re.findall(r"/accounts/own/logins/([0-9a-f-]{36})/end", mine.get("/accounts/own").text)
    assert len(shown) == 1  # not the one that looks
    assert UUID(shown[0]) in ids
    assert office.client("handler").post(f"/accounts/own/logins/{shown[0]}/end").status_code == 404
    assert mine.post(f"/accounts/own/logins/{shown[0]}/end").status_code == 302
    assert elsewhere.get("/api/v1/exhibits").status_code == 401
    assert mine.get("/accounts/own").status_code == 200
