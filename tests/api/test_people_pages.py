"""Units, officers and accounts in the console: who may enter them, and what a mistake costs."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from evidence.custody.models import CustodyEvent
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
    """What a form answers that was just opened, unless `seen` is given."""
    if re.search(r"/[0-9a-f-]{36}", path) and "seen" not in said:
        page = client.get(path.removesuffix("/password")).text
        said["seen"] = _seen(page)
    answer = client.post(path, data=said, headers=ENGLISH)
    return answer.status_code, answer.text


def _seen(page: str) -> str:
    found = re.search(r'name="seen" value="(\d+)"', page)
    return found[1] if found else ""


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


def test_who_has_left_stays_out_whatever_is_saved_of_the_account(office: Office) -> None:
    account, password = _open(office, "somebody", "supervisor")
    officer, administrator = office.officers["officer"], office.client("administrator")
    where = f"/accounts/{account}"
    both = {"role": ["auditor", "supervisor"], "active": "true", "officer": officer}
    assert _posted(administrator, where, **both)[0] == 302
    assert _posted(administrator, f"/people/{officer}", status="left")[0] == 302
    assert _log_in(office, "somebody", password) is None
    page = administrator.get(where).text
    # What a browser sends of the form as it stands: the officer is still chosen.
    assert re.search(rf'<option value="{officer}" selected>', page)
    assert _posted(administrator, where, **{**both, "role": "auditor"})[0] == 302
    assert _log_in(office, "somebody", password) is None
    # Nor is anybody given somebody who has left.
    other, _ = _open(office, "other")
    said = {"role": "auditor", "active": "true", "officer": officer}
    assert _posted(administrator, f"/accounts/{other}", **said)[0] == 422


def test_the_only_administrator_does_not_leave(office: Office) -> None:
    administrator: Account = _one(office, Account, username="administrator")
    officer, client = office.officers["officer"], office.client("administrator")
    with office.writing() as session:
        session.get_one(Account, administrator.id).officer_id = officer
    status, page = _posted(client, f"/people/{officer}", status="left")
    assert (status, "An administrator must remain" in page) == (422, True)
    left = client.patch(f"/api/v1/officers/{officer}", json={"status": "left"})
    assert (left.status_code, left.json["code"]) == (409, "administrator_needed")
    assert client.get("/accounts").status_code == 200


@pytest.mark.parametrize("what", ["accounts", "people", "units"])
def test_a_form_that_was_opened_before_somebody_elses_change_does_not_undo_it(
    office: Office, administrator: FlaskClient, what: str
) -> None:
    account, _ = _open(office, "somebody")
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
    }[what]
    opened = _seen(administrator.get(where).text)
    assert _posted(administrator, where, **theirs)[0] == 302
    status, page = _posted(administrator, where, **mine, seen=opened)
    assert status == 422
    assert "Somebody else has changed this" in page
    # Looked at, and saved again.
    assert _posted(administrator, where, **mine, seen=_seen(page))[0] == 302
    assert _posted(administrator, where, **mine, seen="nothing")[0] == 422


def test_what_a_form_does_not_have_stays(office: Office, administrator: FlaskClient) -> None:
    officer, unit = office.officers["officer"], office.units["street"]
    held = administrator.get(f"/api/v1/officers/{officer}").json["certificates"]
    assert held
    assert _posted(administrator, f"/people/{officer}", name="张三")[0] == 302
    assert administrator.get(f"/api/v1/officers/{officer}").json["certificates"] == held
    torn = {"number": ["a", "b"], "valid_from": "2023-01-01", "valid_to": "2023-12-31"}
    assert _posted(administrator, f"/people/{officer}", **torn)[0] == 422
    before = {u["id"]: u["hands_over_to"] for u in administrator.get("/api/v1/units").json["items"]}
    assert _posted(administrator, f"/units/{unit}", name="城关市场监管所")[0] == 302
    after = {u["id"]: u["hands_over_to"] for u in administrator.get("/api/v1/units").json["items"]}
    assert {i: u and u["id"] for i, u in after.items()} == {
        i: u and u["id"] for i, u in before.items()
    }


def test_whoever_shares_a_name_is_seen_by_its_owner(office: Office) -> None:
    account, _ = _open(office, "somebody")
    said = {"role": "auditor", "active": "true", "officer": office.officers["officer"]}
    assert "somebody" not in office.client("officer").get("/accounts/own").text
    _posted(office.client("administrator"), f"/accounts/{account}", **said)
    assert "somebody" in office.client("officer").get("/accounts/own").text


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
    # Also the one that asked: who has copied its token has nothing. A browser gets another.
    assert mine.get("/api/v1/exhibits").status_code == 401
    assert elsewhere.get("/api/v1/exhibits").status_code == 401
    assert _log_in(office, "somebody", first) is None
    assert _log_in(office, "somebody", "correct horse battery") is not None
    assert office.kinds(account).count("account:changed") == 1


def _browser(office: Office, username: str, password: str) -> FlaskClient:
    """A client that comes in through the door and has a cookie."""
    browser = office.app.test_client()
    page = browser.get("/login").text
    said = {"username": username, "password": password, "csrf_token": _csrf(page)}
    assert browser.post("/login", data=said).status_code == 302
    return browser


def _csrf(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_a_cookie_that_was_copied_is_worth_nothing_after_the_change(office: Office) -> None:
    _, first = _open(office, "somebody")
    browser, thief = _browser(office, "somebody", first), office.app.test_client()
    name = office.app.config["SESSION_COOKIE_NAME"]
    copied = browser.get_cookie(name)
    assert copied is not None
    thief.set_cookie(name, copied.value)
    assert thief.get("/accounts/own").status_code == 200
    new = "correct horse battery"
    said = {"old": first, "new": new, "again": new}
    said["csrf_token"] = _csrf(browser.get("/accounts/own").text)
    assert browser.post("/accounts/own/password", data=said).status_code == 302
    assert browser.get("/accounts/own").status_code == 200
    assert thief.get("/accounts/own").status_code == 302


def test_the_api_renews_a_password_too(office: Office) -> None:
    account, first = _open(office, "somebody")
    mine = _log_in(office, "somebody", first)
    assert mine is not None
    url = "/api/v1/accounts/own/password"
    said = {"old": "something else", "new": "correct horse battery"}
    assert mine.put(url, json=said).status_code == 401
    short = mine.put(url, json={"old": first, "new": "short"})
    assert (short.status_code, short.json["code"]) == (422, "password_length")
    answer = mine.put(url, json={**said, "old": first})
    assert answer.status_code == 200
    mine.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {answer.json['token']}"
    assert mine.get("/api/v1/exhibits").status_code == 200
    assert _log_in(office, "somebody", first) is None
    assert office.kinds(account).count("account:changed") == 1
    assert office.client("station").put(url, json={**said, "old": first}).status_code == 403
    assert office.client().put(url, json={}).status_code == 401
    half = mine.put(
        url,
        data='{"old": "correct horse battery", "new": "%s"}' % ("\\ud800" * 12),
        content_type="application/json",
    )
    assert half.status_code == 422


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


# ── two at once ──────────────────────────────────────────────────────────────────────────


def _together(*acts: Callable[[], int]) -> list[int]:
    """Every act at the same moment; their statuses."""
    begin = threading.Barrier(len(acts))

    def act(one: Callable[[], int]) -> int:
        begin.wait(30)
        return one()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act, acts))


def test_two_units_that_are_given_to_each_other_do_not_wait_for_each_other(
    office: Office,
) -> None:
    one, other = (
        office.client("administrator").post("/api/v1/units", json={"name": n, "kind": "both"}).json
        for n in ("甲所", "乙所")
    )

    def give(unit: dict[str, Any], to: dict[str, Any] | None) -> Callable[[], int]:
        said = {"hands_over_to": to["id"] if to else None}
        url = f"/api/v1/units/{unit['id']}"
        return lambda: office.client("administrator").patch(url, json=said).status_code

    for _ in range(5):
        assert _together(give(one, other), give(other, one)) == [200, 200]
        assert _together(give(one, None), give(other, None)) == [200, 200]


def test_the_newest_event_of_an_account_says_how_it_is_whoever_changed_it_at_once(
    office: Office,
) -> None:
    account, password = _open(office, "somebody")
    url = f"/api/v1/accounts/{account}"

    def change(said: dict[str, Any]) -> Callable[[], int]:
        return lambda: office.client("administrator").patch(url, json=said).status_code

    for turn in range(5):
        mine = _log_in(office, "somebody", password)
        assert mine is not None
        new = f"{password[:19]}-{turn}"
        renew = {"old": password, "new": new}
        statuses = _together(
            change({"roles": [("auditor", "leader")[turn % 2]]}),
            change({"roles": ["auditor", "supervisor", "leader"][: 1 + turn % 3]}),
            lambda m=mine, r=renew: m.put("/api/v1/accounts/own/password", json=r).status_code,  # type: ignore[misc]
        )
        assert statuses == [200] * 3
        password = new
        with office.app.app_context():
            event = db.session.scalars(
                select(CustodyEvent)
                .where(CustodyEvent.subject_id == account, CustodyEvent.kind == "account:changed")
                .order_by(CustodyEvent.position.desc())
            ).first()
            assert event is not None
            said = json.loads(event.canonical)["details"]
            assert said["roles"] == db.session.get_one(Account, account).roles
