"""Alive, ready and how it is doing: for the operator, the load balancer and Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from evidence.storage.filesystem import FilesystemStore
from server import create_app, migrate
from server.extensions import db
from tests import databases
from tests.api.test_witnessing import sequence
from tests.bureau import Bureau, Clients
from tests.live import LiveServer

ITEMS = {"database", "storage", "queue", "worker", "custody_log"}


def ready(server: LiveServer) -> dict[str, str]:
    """What /readyz says of each item."""
    try:
        with urllib.request.urlopen(f"{server.url}/readyz") as answer:
            said = json.load(answer)
    except urllib.error.HTTPError as error:
        said = json.load(error)
    items: dict[str, str] = said["items"]
    return items


def test_alive_asks_for_nothing(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "alive"})


def test_a_running_server_is_ready_in_every_item(live_server: LiveServer) -> None:
    assert ready(live_server) == dict.fromkeys(ITEMS, "ready")


def test_without_a_worker_it_says_so_and_what_else_holds(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {
        "ready": False,
        "items": {
            "database": "ready",
            "storage": "ready",
            "queue": "ready",
            "worker": "the worker has not started yet",
            "custody_log": "the log has no checkpoint yet",
        },
    }


def test_a_database_without_its_migrations_is_not_ready(client: FlaskClient, app: Flask) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["items"]["database"].startswith(f"migrations are missing: {migrate.head()}")


def test_a_database_that_cannot_be_written_is_not_ready(bureau: Bureau) -> None:
    read_only = f"sqlite:///file:{bureau.database}?mode=ro&uri=true"
    if databases.grown_up():
        refusing = "options=-c%20default_transaction_read_only%3Don"
        read_only = f"{databases.database_url(bureau.database)}?{refusing}"
    app = create_app({**bureau.environ, "ZHENGLIAN_DATABASE_URL": read_only})
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert re.search("read-?only", answer.json["items"]["database"])
    with app.app_context():
        db.engine.dispose()


def test_a_store_that_is_gone_is_not_ready(client: FlaskClient, bureau: Bureau) -> None:
    store = bureau.data / "store"
    store.rename(bureau.data / "elsewhere")
    store.write_text("not a folder")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["items"]["storage"] != "ready"
    assert str(bureau.data) not in answer.text


def test_a_store_without_the_logs_tiles_is_not_ready(
    app: Flask, bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence(app)
    looks: list[str] = []
    tile = FilesystemStore.tile
    monkeypatch.setattr(
        FilesystemStore, "tile", lambda self, path: looks.append(path) or tile(self, path)
    )

    def log_of(app: Flask) -> str:
        items: dict[str, str] = app.test_client().get("/readyz").json["items"]
        return items["custody_log"]

    assert log_of(app) == "ready"
    first = len(looks)
    assert log_of(app) == "ready"
    assert len(looks) < 2 * first
    elsewhere = {**bureau.environ, "ZHENGLIAN_STORE_URL": (bureau.data / "empty").as_uri()}
    other = create_app(elsewhere, TESTING=True)
    assert log_of(other).startswith("the store does not hold the tiles of this log")
    # Tiles there, but of another log.
    shutil.copytree(
        bureau.data / "store" / "log", bureau.data / "empty" / "log", dirs_exist_ok=True
    )
    assert log_of(other) == "ready"
    again = create_app(elsewhere, TESTING=True)
    for file in (bureau.data / "empty" / "log" / "tile" / "0").rglob("[0-9]*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(bytes(len(file.read_bytes())))
    assert log_of(again).startswith("the store does not hold the tiles of this log")
    for made in (other, again):
        with made.app_context():
            db.engine.dispose()


def test_a_worker_that_died_is_missed_until_another_runs(own_server: LiveServer) -> None:
    own_server.start()
    own_server.kill_worker()
    with databases.as_owner(own_server.bureau.database) as connection:
        connection.exec_driver_sql("UPDATE leases SET until = '2023-09-15 02:00:00.000000Z'")
    assert ready(own_server)["worker"].startswith("the worker has been silent since 2023-09-15")
    own_server.start_worker()
    until = time.monotonic() + 20
    while ready(own_server)["worker"] != "ready":
        assert time.monotonic() < until
        time.sleep(0.05)


# ── figures ──────────────────────────────────────────────────────────────────────────────


def test_figures_name_routes_and_no_person(client: FlaskClient, as_role: Clients) -> None:
    as_role("handler").get("/api/v1/exhibits?text=王记食品店")
    figures = client.get("/metrics").text
    assert 'zhenglian_requests_total{method="GET",route="/api/v1/exhibits",status="200"}' in figures
    assert 'zhenglian_room_free_bytes{place="data"}' in figures
    assert "zhenglian_log_delay_seconds " in figures
    assert "zhenglian_events_unsequenced " in figures
    assert "zhenglian_jobs_queued 0.0" in figures
    assert 'zhenglian_uploads{state="receiving"}' in figures
    assert "王记" not in figures


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-For": "10.1.2.3"}, {"Forwarded": "for=10.1.2.3"}]
)
def test_figures_are_not_for_whoever_comes_through_a_proxy(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    assert client.get("/metrics", headers=headers).status_code == 401


def test_figures_from_elsewhere_are_an_administrators(
    as_role: Clients, client: FlaskClient
) -> None:
    elsewhere = {"REMOTE_ADDR": "10.1.2.3"}
    assert client.get("/metrics", environ_base=elsewhere).status_code == 401
    assert as_role("supervisor").get("/metrics", environ_overrides=elsewhere).status_code == 403
    assert as_role("administrator").get("/metrics", environ_overrides=elsewhere).status_code == 200


# ── what every answer carries ────────────────────────────────────────────────────────────

ASKED = ("/healthz", "/api/v1/exhibits", "/nowhere", "/api/openapi.json", "/static/nothing")


@pytest.mark.parametrize("path", ASKED)
def test_every_answer_is_told_to_load_nothing_from_elsewhere(
    client: FlaskClient, path: str
) -> None:
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy.pop("default-src") == policy.pop("frame-ancestors") == "'none'"
    assert policy.pop("base-uri") == "'none'"
    assert policy.pop("img-src") == "'self' data:"
    assert set(policy.values()) == {"'self'"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in headers
    assert len(headers["X-Request-Id"]) == 32


def test_tls_is_asked_for_again_where_it_was_used(client: FlaskClient) -> None:
    answer = client.get("/healthz", base_url="https://localhost")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_server_says_nothing_of_its_versions(live_server: LiveServer) -> None:
    with urllib.request.urlopen(f"{live_server.url}/healthz") as answer:
        assert not any(digit in answer.headers.get("Server", "") for digit in "0123456789")


# ── the access log ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def ask(live_server: LiveServer) -> Callable[[str, dict[str, str]], str]:
    """Ask the live server, and return the request's id."""

    def asked(path: str, headers: dict[str, str]) -> str:
        request = urllib.request.Request(live_server.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                found: str = answer.headers["X-Request-Id"]
                return found
        except urllib.error.HTTPError as error:
            return error.headers["X-Request-Id"]

    return asked


def test_a_line_says_who_asked_for_what_and_no_secret(
    live_server: LiveServer, ask: Callable[[str, dict[str, str]], str]
) -> None:
    token = live_server.tokens["handler"]
    identifier = ask(f"/api/v1/exhibits?token={token}", {"Authorization": f"Bearer {token}"})
    text = (live_server.data / "logs" / f"web-{live_server.port}.log").read_text()
    line = next(json.loads(part) for part in text.splitlines() if identifier in part)
    assert line["path"] == "/api/v1/exhibits"
    assert line["actor"] == str(live_server.bureau.officers["handler"])
    assert line["method"] == "GET"
    assert token not in text
    assert token not in live_server.said("web")


def test_a_forged_line_and_a_chosen_identifier_do_not_get_in(
    live_server: LiveServer, ask: Callable[[str, dict[str, str]], str]
) -> None:
    identifier = ask("/nowhere%0a%7B%22actor%22:%22forged%22%7D", {"X-Request-Id": "chosen"})
    assert identifier != "chosen"
    text = (live_server.data / "logs" / f"web-{live_server.port}.log").read_text()
    assert all(json.loads(line)["request"] != "chosen" for line in text.splitlines())
    assert not any(line.startswith('{"actor"') for line in text.splitlines())
