"""Who gets in, for how long, and what a guesser, a thief and a page of somebody else's get."""

from __future__ import annotations

import datetime as dt
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from sqlalchemy import select

from evidence.custody.models import CustodyEvent
from evidence.people.models import Officer, OfficerStatus
from server.accounts.current import current_actor, sign_in, sign_out
from server.accounts.models import Account
from server.extensions import db
from server.unit_of_work import unit_of_work
from tests.bureau import PASSWORD, Bureau, Clients
from tests.conftest import SteppingClock

TOKEN = "/api/v1/auth/token"
EXHIBITS = "/api/v1/exhibits"
WRONG = "not the password"


def log_in(client: FlaskClient, username: str = "handler", password: str = PASSWORD) -> Any:
    return client.post(TOKEN, json={"username": username, "password": password})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def kinds(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(CustodyEvent.kind).order_by(CustodyEvent.position)))


# ── tokens ───────────────────────────────────────────────────────────────────────────────


def test_a_password_gives_a_token_that_opens_the_api(client: FlaskClient, app: Flask) -> None:
    answer = log_in(client)
    assert answer.status_code == 200
    assert client.get(EXHIBITS, headers=bearer(answer.json["token"])).status_code == 200
    lasts = dt.datetime.fromisoformat(answer.json["expires_at"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(hours=11) < lasts <= dt.timedelta(hours=12)
    assert kinds(app)[-1] == "account:token_issued"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic aGFuZGxlcjp4", "Bearer zl_nobody", "Bearer \xff", "zl_x"],
)
def test_without_a_valid_token_the_answer_says_what_to_send(
    client: FlaskClient, header: str
) -> None:
    answer = client.get(EXHIBITS, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["code"] == "not_authenticated"


def test_a_revoked_token_ends_at_once_and_others_live(client: FlaskClient, app: Flask) -> None:
    first, second = (bearer(log_in(client).json["token"]) for _ in range(2))
    assert client.delete(TOKEN, headers=first).status_code == 204
    assert client.get(EXHIBITS, headers=first).status_code == 401
    assert client.delete(TOKEN, headers=first).status_code == 401
    assert client.get(EXHIBITS, headers=second).status_code == 200
    assert kinds(app)[-1] == "account:token_revoked"


def test_a_token_ends_by_itself_after_twelve_hours(
    clock: SteppingClock, client: FlaskClient
) -> None:
    token = bearer(log_in(client).json["token"])
    clock.step(hours=11, minutes=59)
    assert client.get(EXHIBITS, headers=token).status_code == 200
    clock.step(minutes=1)
    assert client.get(EXHIBITS, headers=token).status_code == 401


def test_ones_own_tokens_are_listed_without_secrets_and_can_be_ended(
    client: FlaskClient, as_role: Clients
) -> None:
    made = log_in(client).json
    listed = as_role("handler").get("/api/v1/tokens")
    assert made["id"] in [token["id"] for token in listed.json]
    assert made["token"] not in listed.text
    path = f"/api/v1/tokens/{made['id']}"
    assert as_role("officer").delete(path).status_code == 404
    assert as_role("handler").delete(path).status_code == 204
    assert client.get(EXHIBITS, headers=bearer(made["token"])).status_code == 401


def test_the_data_folder_knows_no_secret_that_was_given_out(
    client: FlaskClient, bureau: Bureau
) -> None:
    secret = log_in(client).json["token"].encode()
    for file in Path(bureau.data).rglob("*"):
        if file.is_file() and file != bureau.station_token_file:
            content = file.read_bytes()
            assert secret not in content, file
            assert PASSWORD.encode() not in content, file
            assert bureau.tokens["station"].encode() not in content, file


# ── roles ────────────────────────────────────────────────────────────────────────────────


def test_a_role_claimed_by_header_or_body_or_query_is_ignored(as_role: Clients) -> None:
    client = as_role("officer")
    claims = {"X-Role": "administrator", "X-Roles": "administrator", "X-Actor-Role": "station"}
    body = {"name": "x", "unit_id": None, "role": "administrator"}
    for path in ("/api/v1/stations", "/api/v1/stations?role=administrator"):
        answer = client.post(path, json={"name": "x"}, headers=claims)
        assert answer.status_code in (403, 422)
    assert client.post("/api/v1/stations", json=body, headers=claims).status_code in (403, 422)


def test_roles_and_the_account_itself_are_read_at_every_request(
    app: Flask, as_role: Clients, bureau: Bureau
) -> None:
    client = as_role("officer")
    assert client.get("/api/v1/stations").status_code == 403
    _change(app, bureau, roles=["administrator"])
    assert client.get("/api/v1/stations").status_code == 200
    _change(app, bureau, active=False)
    assert client.get("/api/v1/stations").status_code == 401
    assert log_in(client, "officer").json["code"] == "login_failed"


def _change(app: Flask, bureau: Bureau, **members: object) -> None:
    with app.app_context(), unit_of_work() as session:
        account = session.get_one(Account, bureau.accounts["officer"])
        for name, value in members.items():
            setattr(account, name, value)


def test_an_officer_who_has_left_is_nobody_here_any_more(
    app: Flask, as_role: Clients, bureau: Bureau
) -> None:
    with app.app_context(), unit_of_work() as session:
        session.get_one(Officer, bureau.officers["handler"]).status = OfficerStatus.LEFT
    assert as_role("handler").get(EXHIBITS).status_code == 401
    assert log_in(app.test_client()).json["code"] == "login_failed"


def test_the_actor_is_the_officer_behind_the_account(app: Flask, bureau: Bureau) -> None:
    with app.test_request_context(headers=bearer(bureau.tokens["handler"])):
        actor = current_actor()
    assert actor.id == bureau.officers["handler"]
    assert actor.unit_id == bureau.units["squad"]
    assert actor.hands_over == {bureau.units["street"]}
    assert (actor.type.value, actor.via.value) == ("officer", "api")


# ── guessing ─────────────────────────────────────────────────────────────────────────────


def test_unknown_names_and_wrong_passwords_get_the_same_answer(client: FlaskClient) -> None:
    known, unknown = log_in(client, password=WRONG), log_in(client, "nobody", WRONG)
    assert known.status_code == unknown.status_code == 401
    assert known.data == unknown.data


def test_unknown_names_and_wrong_passwords_take_about_as_long(client: FlaskClient) -> None:
    def fastest(names: list[str]) -> float:
        times = []
        for name in names:
            began = time.perf_counter()
            log_in(client, name, WRONG)
            times.append(time.perf_counter() - began)
        return min(times)

    known = fastest(["officer", "handler", "leader", "auditor", "reviewer"])
    unknown = fastest(["a", "b", "c", "d", "e"])
    assert 0.4 < known / unknown < 2.5


@pytest.mark.parametrize("name", ["handler", "nobody"])
def test_after_three_wrong_ones_each_attempt_must_wait_longer(
    clock: SteppingClock, client: FlaskClient, name: str
) -> None:
    for _ in range(3):
        assert log_in(client, name, WRONG).status_code == 401
    waits = []
    for _ in range(6):
        assert log_in(client, name, WRONG).status_code == 401
        refused = log_in(client, name)
        assert refused.status_code == 429
        waits.append(int(refused.headers["Retry-After"]))
        clock.step(seconds=waits[-1])
    assert waits == sorted(waits)
    assert waits[-1] > 8 * waits[0]


def test_the_tenth_wrong_one_locks_the_name_and_is_an_event(
    clock: SteppingClock, client: FlaskClient, app: Flask
) -> None:
    for _ in range(10):
        assert log_in(client, password=WRONG).status_code == 401
        clock.step(minutes=5)
    assert kinds(app)[-1] == "account:locked"
    assert log_in(client).status_code == 429
    assert log_in(client, "HANDLER ").status_code == 429
    assert log_in(client, "officer").status_code == 200
    clock.step(minutes=10, seconds=1)
    assert log_in(client).status_code == 200
    assert log_in(client, password=WRONG).status_code == 401
    assert kinds(app).count("account:locked") == 1


def test_a_right_password_forgives_the_wrong_ones_before(
    clock: SteppingClock, client: FlaskClient
) -> None:
    for _ in range(4):
        for _ in range(3):
            assert log_in(client, password=WRONG).status_code == 401
        assert log_in(client).status_code == 200


def test_guesses_at_the_same_moment_are_counted_one_by_one(app: Flask) -> None:
    def guess(_: int) -> int:
        status: int = log_in(app.test_client(), password=WRONG).status_code
        return status

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(guess, range(16)))
    assert answers.count(401) <= 4
    assert set(answers) == {401, 429}


def test_one_address_that_tries_many_names_is_refused(
    clock: SteppingClock, client: FlaskClient
) -> None:
    statuses = [log_in(client, f"name{n}", WRONG).status_code for n in range(44)]
    assert statuses[:41] == [401] * 41
    assert 429 in statuses[41:]
    clock.step(minutes=1)
    # Who has an account of one's own cannot wash the guesses off with it.
    assert log_in(client).status_code == 200
    clock.step(minutes=1)
    assert log_in(client, "name99", WRONG).status_code == 401
    assert log_in(client, "name98", WRONG).status_code == 429


def test_who_forwards_for_himself_is_counted_as_himself(client: FlaskClient) -> None:
    def attempt(n: int) -> int:
        headers = {"X-Forwarded-For": f"10.0.0.{n}"}
        body = {"username": f"name{n}", "password": WRONG}
        return client.post(TOKEN, json=body, headers=headers).status_code

    assert 429 in [attempt(n) for n in range(44)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "handler"},
        {"username": "handler", "password": ""},
        {"username": "handler", "password": "x" * 201},
        {"username": "x" * 61, "password": PASSWORD},
        {"username": ["handler"], "password": PASSWORD},
        {"username": "handler", "password": PASSWORD, "role": "administrator"},
        [],
        "handler",
    ],
)
def test_a_malformed_login_is_refused_in_words(client: FlaskClient, body: object) -> None:
    answer = client.post(TOKEN, json=body)
    assert answer.status_code == 422
    assert answer.json["code"] == "invalid_input"


@pytest.mark.parametrize("name", ["' OR 1=1 --", "handler\0", "\ud800", "=1+1", "<b>handler</b>"])
def test_a_strange_name_is_only_a_wrong_one(client: FlaskClient, name: str) -> None:
    body = json.dumps({"username": name, "password": PASSWORD})
    answer = client.post(TOKEN, data=body, content_type="application/json")
    assert answer.json["code"] == "login_failed"


# ── the console's session ────────────────────────────────────────────────────────────────


@pytest.fixture
def console(app: Flask) -> FlaskClient:
    """A page that logs in, as the console's does; the console's own is tested with it."""
    app.add_url_rule("/test/csrf", view_func=generate_csrf)
    app.add_url_rule("/test/in", view_func=_sign_in)
    app.add_url_rule("/test/out", view_func=_sign_out)
    return app.test_client()


def _sign_in() -> str:
    sign_in("administrator", PASSWORD)
    return "in"


def _sign_out() -> str:
    sign_out()
    return "out"


def _cookie(client: FlaskClient) -> str:
    found = client.get_cookie("zhenglian")
    assert found is not None
    return found.value


def test_a_session_opens_the_api_for_reading(console: FlaskClient) -> None:
    console.get("/test/in")
    assert console.get("/api/v1/stations").status_code == 200


def test_its_cookie_is_out_of_reach_for_scripts_and_other_sites(console: FlaskClient) -> None:
    plain = console.get("/test/in").headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    assert "Secure" in console.get("/test/in", base_url="https://localhost").headers["Set-Cookie"]


def test_a_change_by_cookie_needs_the_pages_token(console: FlaskClient) -> None:
    console.get("/test/in")
    body = {"name": "二楼采集站"}
    refused = console.post("/api/v1/stations", json=body)
    assert (refused.status_code, refused.content_type) == (400, "application/problem+json")
    token = console.get("/test/csrf").text
    accepted = console.post("/api/v1/stations", json=body, headers={"X-CSRFToken": token})
    assert accepted.status_code == 201


def test_a_made_up_bearer_does_not_spare_a_cookie_the_pages_token(console: FlaskClient) -> None:
    console.get("/test/in")
    answer = console.post("/api/v1/stations", json={"name": "x"}, headers=bearer("zl_anything"))
    assert answer.status_code == 401


def test_a_page_of_another_login_cannot_be_used(console: FlaskClient, app: Flask) -> None:
    stranger = app.test_client()
    planted = stranger.get("/test/csrf").text
    console.get("/test/in")
    answer = console.post("/api/v1/stations", json={"name": "x"}, headers={"X-CSRFToken": planted})
    assert answer.status_code == 400


def test_logging_in_makes_a_new_session_and_ends_the_old(console: FlaskClient) -> None:
    console.get("/test/in")
    old = _cookie(console)
    console.get("/test/in")
    assert _cookie(console) != old
    console.set_cookie("zhenglian", old)
    assert console.get("/api/v1/stations").status_code == 401


def test_logging_out_ends_the_session_on_the_server(console: FlaskClient) -> None:
    console.get("/test/in")
    kept = _cookie(console)
    console.get("/test/out")
    assert console.get("/api/v1/stations").status_code == 401
    console.set_cookie("zhenglian", kept)
    assert console.get("/api/v1/stations").status_code == 401


def test_an_idle_session_ends_and_a_busy_one_after_twelve_hours(
    clock: SteppingClock, console: FlaskClient, app: Flask
) -> None:
    console.get("/test/in")
    clock.step(hours=12)
    assert console.get("/api/v1/stations").status_code == 401
    console.get("/test/in")
    assert app.permanent_session_lifetime == dt.timedelta(hours=2)
    app.permanent_session_lifetime = dt.timedelta(seconds=-1)
    assert console.get("/api/v1/stations").status_code == 401


def test_the_secret_of_a_cookie_is_no_bearer_token_nor_the_other_way_round(
    console: FlaskClient, app: Flask, bureau: Bureau
) -> None:
    console.get("/test/in")
    with console.session_transaction() as session:
        secret = session["token"]
    assert app.test_client().get("/api/v1/stations", headers=bearer(secret)).status_code == 401
    other = app.test_client()
    with other.session_transaction() as session:
        session["token"] = bureau.tokens["administrator"]
    assert other.get("/api/v1/stations").status_code == 401


# ── accounts ─────────────────────────────────────────────────────────────────────────────

ACCOUNTS = "/api/v1/accounts"
NEW = {"username": "second", "password": "a second password", "roles": ["administrator"]}


def test_an_administrator_opens_an_account_that_can_log_in(
    as_role: Clients, client: FlaskClient, app: Flask, bureau: Bureau
) -> None:
    body = {
        "username": "王芳",
        "password": "her own password",
        "roles": ["officer", "handler"],
        "officer_id": str(bureau.officers["officer"]),
    }
    made = as_role("administrator").post(ACCOUNTS, json=body)
    assert made.status_code == 201, made.text
    assert "password" not in made.text
    assert kinds(app)[-1] == "account:created"
    token = log_in(client, "王芳", "her own password").json["token"]
    assert client.get(EXHIBITS, headers=bearer(token)).status_code == 200
    again = as_role("administrator").post(ACCOUNTS, json=body)
    assert (again.status_code, again.json["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    "wrong",
    [
        {"roles": []},
        {"roles": ["station"]},
        {"roles": ["king"]},
        {"password": "short"},
        {"username": ""},
        {"username": "   "},
        {"officer_id": "00000000-0000-0000-0000-000000000001"},
    ],
)
def test_an_account_that_cannot_be_is_refused_in_words(
    as_role: Clients, wrong: dict[str, Any]
) -> None:
    answer = as_role("administrator").post(ACCOUNTS, json={**NEW, **wrong})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


def test_nobody_else_reads_or_changes_accounts(as_role: Clients, bureau: Bureau) -> None:
    one = f"{ACCOUNTS}/{bureau.accounts['officer']}"
    for who in bureau.tokens:
        if who != "administrator":
            assert as_role(who).get(ACCOUNTS).status_code == 403
            assert as_role(who).post(ACCOUNTS, json=NEW).status_code == 403
            change = as_role(who).patch(one, json={"roles": ["administrator"]})
            assert change.status_code == 403


@pytest.mark.parametrize("change", [{"active": False}, {"password": "quite another one"}])
def test_shutting_out_and_a_new_password_end_every_login(
    as_role: Clients, bureau: Bureau, app: Flask, change: dict[str, Any]
) -> None:
    one = f"{ACCOUNTS}/{bureau.accounts['officer']}"
    assert as_role("officer").get(EXHIBITS).status_code == 200
    assert as_role("administrator").patch(one, json=change).status_code == 200
    assert as_role("officer").get(EXHIBITS).status_code == 401
    assert log_in(app.test_client(), "officer").status_code == 401
    assert kinds(app)[-2:] == ["account:changed", "account:token_revoked"]
    assert as_role("administrator").patch(one, json={"active": True}).status_code == 200
    assert as_role("officer").get(EXHIBITS).status_code == 401


def test_what_does_not_differ_is_no_change(as_role: Clients, bureau: Bureau, app: Flask) -> None:
    before = len(kinds(app))
    body = {"active": True, "roles": ["officer"]}
    one = f"{ACCOUNTS}/{bureau.accounts['officer']}"
    assert as_role("administrator").patch(one, json=body).status_code == 200
    assert len(kinds(app)) == before


@pytest.mark.parametrize("change", [{"active": False}, {"roles": ["auditor"]}])
def test_the_last_administrator_stays(
    as_role: Clients, bureau: Bureau, change: dict[str, Any]
) -> None:
    one = f"{ACCOUNTS}/{bureau.accounts['administrator']}"
    administrator = as_role("administrator")
    assert administrator.patch(one, json=change).status_code == 409
    assert administrator.post(ACCOUNTS, json=NEW).status_code == 201
    assert administrator.patch(one, json=change).status_code == 200
