"""The administrator with the database file and the store's folder: what the server says of it.

Through the API and the console's pages, over SQLite and files on disk; the triggers are dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, RowMapping, Table, insert, select, update

from evidence.base import Base
from evidence.custody.models import CustodyEvent
from evidence.custody.sequencer import Sequencer
from evidence.exhibits.models import Exhibit
from evidence.recorders.models import Checkout
from server.extensions import sessions, signer, store
from server.pages import cases
from tests import databases
from tests.api.tus import OCTETS, UPLOADS, metadata
from tests.bureau import DUTY, PASSWORD, Bureau, Clients

FOOTAGE = b"footage of one minute"
DIGEST = hashlib.sha256(FOOTAGE).hexdigest()
_CHANGED = ("exhibits", "exhibit_links", "custody_events")
CASE = "衡东市监罚字〔2023〕451号"


def _database(bureau: Bureau) -> AbstractContextManager[Connection]:
    """As whoever holds it opens it, with nothing in the way."""
    return databases.as_owner(bureau.database, without_guards=True)


def _put_back(database: Connection, table: Table, row: RowMapping) -> None:
    (key,) = table.primary_key.columns
    if not database.execute(update(table).where(key == row[key]).values(**row)).rowcount:
        database.execute(insert(table).values(**row))


def _send(station: FlaskClient, content: bytes, **said: str) -> dict[str, Any]:
    """Send in `content` as a dock does; what became of it."""
    sent = {
        "filename": "ZFY_HD012@4304008_20230915_090000_0001.mp4",
        "recorder": "HD-012",
        "recorded_at": DUTY.isoformat(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    answer = station.post(
        UPLOADS,
        data=content,
        content_type=OCTETS,
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(content)),
            "Upload-Metadata": metadata(**{**sent, **said}),
        },
    )
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = station.get(answer.headers["Location"]).json
    return told


@pytest.fixture
def exhibit(as_role: Clients) -> str:
    """A recording that the dock brought, linked to a case: its address."""
    told = _send(as_role("station"), FOOTAGE)
    filing = {"number": CASE, "party": "王记", "sector": "food", "filed_on": "2023-09-15"}
    handler = as_role("handler")
    assert handler.post("/api/v1/cases", json=filing).status_code == 201
    link = handler.post(f"{told['exhibit']}/links", json={"case_number": CASE})
    assert link.status_code == 201
    return str(told["exhibit"])


def _contradicted(supervisor: FlaskClient, exhibit: str) -> set[str]:
    answer = supervisor.get(f"{exhibit}/custody")
    assert answer.status_code == 200, answer.text
    return {found["member"] for found in answer.json["contradictions"]}


def _console(app: Flask, language: str = "en") -> FlaskClient:
    """The supervisor's, logged in as a browser is."""
    browser = app.test_client()
    browser.environ_base["HTTP_ACCEPT_LANGUAGE"] = language
    form = browser.get("/login").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert token
    said = {"username": "supervisor", "password": PASSWORD, "csrf_token": token[1]}
    assert browser.post("/login", data=said).status_code == 302
    return browser


def test_what_nobody_touched_contradicts_nothing(
    app: Flask, as_role: Clients, exhibit: str
) -> None:
    assert _contradicted(as_role("supervisor"), exhibit) == set()
    page = _console(app).get(f"/exhibits/{exhibit.rsplit('/', 1)[-1]}").text
    assert 'id="contradictions"' not in page


def test_each_change_of_a_row_is_told_by_the_api(
    bureau: Bureau, as_role: Clients, exhibit: str
) -> None:
    other = bureau.officers["officer"].hex
    changes = [
        (f"UPDATE exhibits SET officer_id = '{other}'", {"wearer"}),
        (f"UPDATE exhibits SET unit_id = '{bureau.units['other'].hex}'", {"unit"}),
        ("UPDATE exhibits SET recorded_at = '2020-01-01 00:00:00.000000'", {"recorded_at"}),
        ("UPDATE exhibits SET filename = 'party.mp4'", {"filename"}),
        ("UPDATE exhibits SET state = 'QUARANTINED'", {"state"}),
        ("UPDATE exhibits SET flags = '[]'", {"flags"}),
        (f"UPDATE exhibits SET sha256 = '{'0' * 64}'", {"sha256"}),
        ("UPDATE exhibits SET size = 1", {"size"}),
        ("DELETE FROM exhibit_links", {"links"}),
        ("UPDATE exhibit_links SET unlinked_at = linked_at", {"links"}),
        (f"UPDATE exhibit_links SET linked_by = '{other}'", {"links"}),
        ("DELETE FROM custody_events WHERE kind = 'exhibit:sealed'", {"history"}),
        ("DELETE FROM custody_events WHERE kind = 'exhibit:acquired'", {"history"}),
        (
            f"UPDATE custody_events SET actor_id = '{other}' WHERE kind = 'exhibit:acquired'",
            {"history"},
        ),
        ("DELETE FROM custody_events WHERE kind = 'recorder:checked_out'", {"ledger"}),
    ]
    supervisor = as_role("supervisor")
    for change, members in changes:
        with _database(bureau) as database:
            before = {
                table: database.execute(select(table)).mappings().all()
                for table in map(Base.metadata.tables.get, _CHANGED)
                if table is not None
            }
            assert database.exec_driver_sql(change).rowcount >= 1, change
        assert _contradicted(supervisor, exhibit) == members, change
        with _database(bureau) as database:
            for table, rows in before.items():
                for row in rows:
                    _put_back(database, table, row)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "In the custody log"), ("zh", "保管日志所载")]
)
def test_the_pages_of_exhibit_and_case_raise_the_alarm(
    app: Flask,
    bureau: Bureau,
    as_role: Clients,
    exhibit: str,
    language: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The alarm is not of those alone that a case's page has room for.
    monkeypatch.setattr(cases, "MOST", 0)
    supervisor = as_role("supervisor")
    label = supervisor.get(exhibit).json["label"]
    case = supervisor.get("/api/v1/cases").json["items"][0]["id"]
    with _database(bureau) as database:
        database.execute(update(Exhibit).values(officer_id=bureau.officers["officer"]))
    browser = _console(app, language)
    page = browser.get(f"/exhibits/{label}").text
    assert 'id="contradictions"' in page
    assert words in page
    # Both by name: who stands there now, and whom the log has.
    alarm = page[page.index('id="contradictions"') :][:1500]
    assert "张01" in alarm
    assert "张08" in alarm
    assert (
        f'<a href="/exhibits/{label}">'
        in browser.get(f"/cases/{case}").text.split('id="contradicted"')[1].split("</div>", 1)[0]
    )


def test_a_ledger_that_was_changed_before_docking_is_found_by_its_events(
    bureau: Bureau, as_role: Clients
) -> None:
    with _database(bureau) as database:
        database.execute(update(Checkout).values(officer_id=bureau.officers["officer"]))
    told = _send(as_role("station"), FOOTAGE)
    (found,) = as_role("supervisor").get(f"{told['exhibit']}/custody").json["contradictions"]
    assert (found["member"], UUID(found["row"]), UUID(found["log"])) == (
        "ledger",
        bureau.officers["officer"],
        bureau.officers["street_officer"],
    )


def _original(bureau: Bureau) -> Path:
    (path,) = (p for p in (bureau.data / "store" / "originals").rglob("*") if p.name == DIGEST)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("left", [None, FOOTAGE[:5], FOOTAGE + b"."])
def test_an_original_that_is_gone_or_of_another_length_is_not_served_and_told(
    bureau: Bureau, as_role: Clients, exhibit: str, left: bytes | None
) -> None:
    path, supervisor = _original(bureau), as_role("supervisor")
    path.unlink() if left is None else path.write_bytes(left)
    answer = supervisor.get(f"{exhibit}/original")
    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert answer.json["title"].endswith(answer.json["incident"])
    assert answer.json["title"].isascii()  # of an API that speaks English, whatever the browser's
    told = supervisor.get(f"{exhibit}/custody").json
    assert [c["member"] for c in told["contradictions"]] == ["original"]
    assert "exhibit:downloaded" not in [event["kind"] for event in told["events"]]


def _sequence(app: Flask) -> None:
    with app.app_context():
        Sequencer(sessions(), store(), signer(), "test").run_once()


def test_an_event_rewritten_with_its_digest_gets_no_proof_and_breaks_the_log(
    app: Flask, bureau: Bureau, as_role: Clients, exhibit: str
) -> None:
    supervisor = as_role("supervisor")
    _sequence(app)
    with _database(bureau) as database:
        acquired = CustodyEvent.kind == "exhibit:acquired"
        canonical = database.scalars(select(CustodyEvent.canonical).where(acquired)).one()
        forged = canonical.replace(b"ZFY_HD012", b"ZFY_HD013")
        database.execute(
            update(CustodyEvent)
            .where(acquired)
            .values(canonical=forged, entry=hashlib.sha256(forged).digest())
        )
    assert _contradicted(supervisor, exhibit) == {"filename"}
    assert _verified(app, bureau)["intact"] is False


def _verified(app: Flask, bureau: Bureau) -> dict[str, Any]:
    """What the console's verification wrote into the log."""
    browser = _console(app)
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/custody-log").text)
    assert token
    browser.post("/custody-log/verify", data={"csrf_token": token[1]})
    verified = select(CustodyEvent.canonical).where(CustodyEvent.kind == "log:verified")
    with databases.as_owner(bureau.database) as database:
        said = database.scalars(verified.order_by(CustodyEvent.position.desc())).first() or b""
    found: dict[str, Any] = json.loads(said)["details"]
    return found


def test_an_older_database_is_told_by_the_console_and_by_readyz(
    app: Flask, bureau: Bureau, as_role: Clients, exhibit: str
) -> None:
    _sequence(app)
    as_role("supervisor").get(exhibit)
    assert _verified(app, bureau)["intact"] is True
    _sequence(app)
    # What a copy of yesterday lacks: the newest leaves, and the head over them.
    tiles = bureau.data / "store" / "log" / "tile" / "0" / "000.p"
    widths = sorted(int(name) for name in os.listdir(tiles))
    beyond = tiles / str(widths[-1] + 3)
    beyond.write_bytes(b"\0" * 32 * (widths[-1] + 3))
    found = _verified(app, bureau)
    assert found["intact"] is False
    assert "older database" in found["problem"]
    ready = app.test_client().get("/readyz")
    assert ready.status_code == 503
    assert "older database" in ready.json["items"]["custody_log"]
