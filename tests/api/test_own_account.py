"""One's own account: the password, the logins, and who else writes to it at the same moment."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from evidence.custody.models import CustodyEvent
from evidence.errors import LoginFailed
from server.accounts.models import Account, Token
from server.accounts.passwords import admit, check_password
from server.extensions import db
from tests.api.forms import logged_in, opened, posted
from tests.api.office import Office


def _renewed(client: FlaskClient, old: str, new: str, again: str = "") -> tuple[int, str]:
    return posted(client, "/accounts/own/password", old=old, new=new, again=again or new)


def test_a_new_password_of_ones_own_ends_every_other_login(office: Office) -> None:
    account, first = opened(office, "somebody")
    mine, elsewhere = logged_in(office, "somebody", first), logged_in(office, "somebody", first)
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
    assert logged_in(office, "somebody", first) is None
    assert logged_in(office, "somebody", "correct horse battery") is not None
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
    _, first = opened(office, "somebody")
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
    account, first = opened(office, "somebody")
    mine = logged_in(office, "somebody", first)
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
    assert logged_in(office, "somebody", first) is None
    assert office.kinds(account).count("account:changed") == 1
    assert office.client("station").put(url, json={**said, "old": first}).status_code == 403
    assert office.client().put(url, json={}).status_code == 401
    half = mine.put(
        url,
        data='{"old": "correct horse battery", "new": "%s"}' % ("\\ud800" * 12),
        content_type="application/json",
    )
    assert half.status_code == 422


def test_what_was_verified_is_looked_at_again_before_anybody_is_let_in(office: Office) -> None:
    account, first = opened(office, "somebody")
    with office.app.app_context():
        verified = check_password("somebody", first, "10.0.0.1")
    # Meanwhile an administrator ends it all.
    posted(office.client("administrator"), f"/accounts/{account}/password")
    with office.writing() as session, pytest.raises(LoginFailed):
        admit(session, verified)


def test_guessing_the_old_password_is_slowed_down_like_any_login(office: Office) -> None:
    _, first = opened(office, "somebody")
    mine = logged_in(office, "somebody", first)
    assert mine is not None
    seen = [_renewed(mine, f"guess number {n}", "correct horse battery") for n in range(5)]
    assert [status for status, _ in seen] == [422] * 5
    assert "Too many wrong passwords" in seen[-1][1]
    assert _renewed(mine, first, "correct horse battery")[0] == 422


def test_ones_own_logins_are_listed_and_ended_and_nobody_elses(office: Office) -> None:
    account, first = opened(office, "somebody")
    mine, elsewhere = logged_in(office, "somebody", first), logged_in(office, "somebody", first)
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
    account, password = opened(office, "somebody")
    url = f"/api/v1/accounts/{account}"

    def change(said: dict[str, Any]) -> Callable[[], int]:
        return lambda: office.client("administrator").patch(url, json=said).status_code

    for turn in range(5):
        mine = logged_in(office, "somebody", password)
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
