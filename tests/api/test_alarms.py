"""Alarms: each comes, says what to do, is counted for monitoring, and goes away again."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient

from evidence import clock as evidence_clock
from evidence.custody.append import append
from evidence.custody.cosignature import Cosigner
from evidence.custody.kinds import Kind
from evidence.custody.models import Correspondence, Lease
from evidence.people.actor import SYSTEM
from evidence.storage.filesystem import FilesystemStore
from evidence.storage.port import Room
from server import create_app, sweeping
from server.extensions import db
from server.unit_of_work import unit_of_work
from tests.api.test_witnessing import NOBODY, sequence
from tests.bureau import Bureau, Clients
from tests.conftest import SteppingClock
from tests.ports import free_port

WHO_SEE = ("supervisor", "administrator")
OTHERS = ("handler", "officer")


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def counted(client: FlaskClient) -> dict[str, float]:
    """The alarms of each kind, as a monitoring system reads them."""
    found = {}
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("zhenglian_alarms{"):
            kind, _, count = line.partition('kind="')[2].partition('"} ')
            found[kind] = float(count)
    return found


def standing(client: FlaskClient) -> set[str]:
    return {kind for kind, count in counted(client).items() if count}


def page(as_role: Clients, who: str) -> str:
    client = as_role(who)
    answer = client.get("/", headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    return answer.text


def filled(monkeypatch: pytest.MonkeyPatch, free: int, total: int = 1000 * 10**9) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total, total - free, free))


def test_on_a_quiet_day_there_is_none(client: FlaskClient, as_role: Clients, app: Flask) -> None:
    sequence(app)
    figures = counted(client)
    assert set(figures) == {
        "disk", "worker_silent", "queue", "log_late", "log_refused", "witness_silent",
        "authority_silent",
    }  # fmt: skip
    assert not any(figures.values())
    assert 'role="alert"' not in page(as_role, "supervisor")


def test_a_disk_that_is_nearly_full(
    client: FlaskClient, as_role: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(monkeypatch, 99 * 10**9)
    # Data folder and originals lie on one disk, which is one alarm.
    assert counted(client)["disk"] == 1
    for who in WHO_SEE:
        assert "The disk is nearly full: 99.0 GB of 1.0 TB are free." in page(as_role, who)
    for who in OTHERS:
        assert "nearly full" not in page(as_role, who)
    filled(monkeypatch, 100 * 10**9)
    assert counted(client)["disk"] == 0
    assert "nearly full" not in page(as_role, "supervisor")


def test_originals_on_a_disk_of_their_own(
    client: FlaskClient, as_role: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(free=1, total=1000, device=-1)
    monkeypatch.setattr(FilesystemStore, "room", lambda _: room)
    assert counted(client)["disk"] == 1
    assert 'zhenglian_room_free_bytes{place="store"} 1.0' in client.get("/metrics").text
    assert "scripts/move-store" in page(as_role, "administrator")


def test_who_wants_no_alarm_of_disks_has_none(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(monkeypatch, 0)
    app = create_app({**bureau.environ, "ZHENGLIAN_DISK_ALARM": "0"}, TESTING=True)
    assert counted(app.test_client())["disk"] == 0


def test_a_log_that_is_not_signed(
    client: FlaskClient, as_role: Clients, app: Flask, clock: SteppingClock
) -> None:
    sequence(app)
    with app.app_context(), unit_of_work() as session:
        append(session, Kind.LOG_CLOCK_WENT_BACK, NOBODY, SYSTEM, seconds=1)
    clock.step(seconds=59)
    assert "log_late" not in standing(client)
    assert "zhenglian_log_delay_seconds 59.0" in client.get("/metrics").text
    clock.step(seconds=2)
    assert "log_late" in standing(client)
    assert "for a signed checkpoint" in page(as_role, "supervisor")
    sequence(app)
    assert "log_late" not in standing(client)
    assert "zhenglian_log_delay_seconds 0.0" in client.get("/metrics").text


def test_a_worker_that_is_silent(
    client: FlaskClient, as_role: Clients, app: Flask, clock: SteppingClock
) -> None:
    with app.app_context(), unit_of_work() as session:
        session.merge(Lease(name="sequencer", holder="a", until=clock.now))
    clock.step(minutes=1)
    assert "worker_silent" not in standing(client)
    clock.step(seconds=1)
    assert "worker_silent" in standing(client)
    assert "The worker has been silent since" in page(as_role, "administrator")
    with app.app_context(), unit_of_work() as session:
        session.merge(Lease(name="sequencer", holder="b", until=clock.now))
    assert "worker_silent" not in standing(client)


def test_who_vouches_and_is_silent_or_refuses(bureau: Bureau, clock: SteppingClock) -> None:
    key = Cosigner("witness.example", bytes(32)).verifier_key
    app = create_app(
        {**bureau.environ, "ZHENGLIAN_WITNESSES": f"http://192.0.2.1 {key}"}, TESTING=True
    )
    client, as_role = app.test_client(), Clients(app, bureau)

    def stands(silent: dt.datetime | None, refused: dt.datetime | None) -> None:
        with app.app_context(), unit_of_work() as session:
            session.merge(
                Correspondence(
                    name=key, size=0, attempts=1, problem="no answer",
                    silent_since=silent, refused_at=refused,
                )
            )  # fmt: skip

    stands(evidence_clock.now(), None)
    clock.step(minutes=30)
    assert standing(client) == set()
    clock.step(seconds=1)
    assert standing(client) == {"witness_silent"}
    assert "The witness witness.example has been silent since" in page(as_role, "supervisor")
    stands(None, evidence_clock.now())
    assert standing(client) == {"log_refused"}
    assert "witness.example refuses this log" in page(as_role, "supervisor")
    stands(None, None)
    assert standing(client) == set()


def test_a_queue_that_cannot_be_reached(bureau: Bureau) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    app = create_app({**bureau.environ, "ZHENGLIAN_QUEUE_URL": url}, TESTING=True)
    client, as_role = app.test_client(), Clients(app, bureau)
    sequence(app)
    assert standing(client) == {"queue"}
    assert "zhenglian_jobs_queued NaN" in client.get("/metrics").text
    for who in WHO_SEE:
        assert "The queue cannot be reached." in page(as_role, who)
    chinese = as_role("supervisor").get("/", headers={"Accept-Language": "zh"}).text
    assert "无法连接任务队列。" in chinese
    assert as_role("administrator").get("/administration").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json["items"]["queue"].startswith("cannot be reached: nothing is sealed")
    # What waits is found all the same, and what has expired still goes.
    with app.app_context():
        assert sweeping.sweep() == 0
        db.engine.dispose()
