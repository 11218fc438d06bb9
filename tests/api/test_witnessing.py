"""Witnesses and time-stamping authorities of the running server: real ones, on the loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from evidence.custody.append import append
from evidence.custody.checkpoint import verify_checkpoint
from evidence.custody.cosignature import Cosigner, verify_cosignature
from evidence.custody.keys import read_key
from evidence.custody.kinds import Kind
from evidence.custody.models import Correspondence, CustodyEvent, KeptCheckpoint, LogHead
from evidence.custody.note import Signer
from evidence.custody.sequencer import Sequencer
from evidence.custody.witness import AddCheckpoint
from evidence.people.actor import SYSTEM
from server import config, create_app, vouching
from server.config import ConfigurationError
from server.extensions import db, sessions, signer, store
from server.unit_of_work import unit_of_work
from tests.bureau import PASSWORD, Bureau
from tests.conftest import SteppingClock
from tests.ports import free_port
from tests.unit.test_witness import GrowingLog

ROOT = Path(__file__).resolve().parents[2]
NAME = "witness.sifa.example"


class RunningWitness:
    """scripts/witness, as another body runs it."""

    def __init__(self, folder: Path, log_keys: list[str]) -> None:
        self.folder, self.port = folder, free_port()
        self._keys = [part for key in log_keys for part in ("--log", key)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        kept = read_key(self.folder / "witness.key", NAME)
        return Cosigner(NAME, kept.seed).verifier_key

    def post(self, body: str | bytes) -> httpx.Response:
        return httpx.post(f"{self.url}/add-checkpoint", content=body)

    @contextmanager
    def running(self) -> Iterator[None]:
        command = ["--name", NAME, "--data", str(self.folder), "--port", str(self.port)]
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / "witness"), *command, *self._keys],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        try:
            until = time.monotonic() + 30
            while True:
                try:
                    assert httpx.get(f"{self.url}/").text == f"{self.key}\n"
                    break
                except httpx.HTTPError:
                    assert process.poll() is None
                    assert time.monotonic() < until
                    time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(20)


LOG = Signer("evidence.example/log", bytes(range(32)))


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWitness]:
    found = RunningWitness(tmp_path_factory.mktemp("witness") / "data", [LOG.verifier_key])
    with found.running():
        yield found


def test_every_status_of_the_protocol_comes_over_http(witness: RunningWitness) -> None:
    log = GrowingLog(signer=LOG)
    note = log.grow(300)
    cosigned = witness.post(log.request(0))
    assert cosigned.status_code == 200
    assert verify_cosignature(note + cosigned.text, witness.key)
    stranger = GrowingLog(signer=Signer("stranger.example", bytes(32)))
    stranger.grow(3)
    forged = GrowingLog(signer=Signer(LOG.name, bytes(32)))
    forged.grow(3)
    fork = GrowingLog("another", signer=LOG)
    fork.grow(400)
    for body, status in (
        (stranger.request(0), 404),
        (forged.request(0), 403),
        ("old\n", 400),
        (b"\xff", 400),
        (b"x" * 100_000, 413),
        (fork.request(300), 422),
    ):
        assert witness.post(body).status_code == status
    conflict = witness.post(fork.request(0))
    assert (conflict.status_code, conflict.text) == (409, "300\n")
    assert conflict.headers["Content-Type"] == "text/x.tlog.size"


def test_its_key_is_its_owners_alone(witness: RunningWitness) -> None:
    for name in ("witness.key",):
        assert (witness.folder / name).stat().st_mode & 0o777 == 0o600


def application(bureau: Bureau, **environ: str) -> Flask:
    return create_app({**bureau.environ, **environ}, TESTING=True)


def act(app: Flask, count: int = 1) -> LogHead:
    """Some events, and the signed head over them."""
    with app.app_context():
        with unit_of_work() as session:
            for _ in range(count):
                append(session, Kind.LOG_CLOCK_WENT_BACK, NOBODY, SYSTEM, seconds=1)
        return sequence(app)


def sequence(app: Flask) -> LogHead:
    with app.app_context():
        sequencer = Sequencer(sessions(), store(), signer(), "test")
        while sequencer.run_once():
            pass
        sequencer.release()
        head = db.session.scalars(select(LogHead)).one()
        db.session.expunge_all()
        return head


NOBODY = UUID(int=7)


def ask(app: Flask) -> int:
    with app.app_context():
        (peer,) = app.extensions["zhenglian"]["settings"].witnesses
        return vouching.ask_witness(peer)


def stands(app: Flask) -> Correspondence:
    with app.app_context():
        found = db.session.scalars(select(Correspondence)).one()
        db.session.expunge_all()
        return found


@pytest.fixture
def watched(
    bureau: Bureau, tmp_path: Path, clock: SteppingClock
) -> Iterator[tuple[Flask, RunningWitness]]:
    """A bureau's application and its witness, which is not running yet."""
    with create_app(bureau.environ).app_context():
        found = RunningWitness(tmp_path / "witness", [signer().verifier_key])
    with found.running():
        key = found.key
    app = application(bureau, ZHENGLIAN_WITNESSES=f"{found.url} {key}")
    yield app, found
    with app.app_context():
        db.engine.dispose()


def test_each_head_is_cosigned_and_published_with_it(
    watched: tuple[Flask, RunningWitness], clock: SteppingClock
) -> None:
    app, witness = watched
    with witness.running():
        for count in (1, 300, 2):
            act(app, count)
            assert (ask(app), ask(app)) == (1, 0)
            clock.step(seconds=5)
    head = act(app, 0)
    published = app.test_client().get("/log/checkpoint").text
    assert published.startswith(head.checkpoint)
    assert verify_cosignature(published, witness.key)
    assert verify_checkpoint(published, signer_key(app)).size == head.size
    act(app)
    assert app.test_client().get("/log/checkpoint/cosigned").text == published
    assert app.test_client().get("/log/checkpoint").text != published


def signer_key(app: Flask) -> str:
    with app.app_context():
        return signer().verifier_key


def test_a_witness_that_is_down_is_asked_again_more_and_more_seldom(
    watched: tuple[Flask, RunningWitness], clock: SteppingClock
) -> None:
    app, witness = watched
    act(app)
    began, tries = clock.now, []
    for second in range(120):
        before = stands(app).attempts if second else 0
        ask(app)
        if stands(app).attempts > before:
            tries.append(second)
        clock.step(seconds=1)
    assert tries == [0, 5, 15, 35, 75]
    assert (stands(app).silent_since, stands(app).refused_at) == (began, None)
    clock.step(minutes=10)
    with witness.running():
        assert ask(app) == 1
    assert (stands(app).silent_since, stands(app).attempts, stands(app).problem) == (None, 0, "")


def test_a_witness_that_forgot_nothing_is_met_where_it_is(
    watched: tuple[Flask, RunningWitness],
) -> None:
    """The database lost what it knew of its witness: the conflict says where to go on from."""
    app, witness = watched
    with witness.running():
        act(app, 5)
        assert ask(app) == 1
        with app.app_context(), unit_of_work() as session:
            session.delete(session.scalars(select(Correspondence)).one())
        act(app, 5)
        assert ask(app) == 1


def test_a_fork_is_an_alarm_and_an_event_and_stays_one(
    watched: tuple[Flask, RunningWitness], bureau: Bureau, clock: SteppingClock
) -> None:
    """The witness has cosigned another history, made with our own key."""
    app, witness = watched
    fork = GrowingLog("another", signer=Signer(signer_name(app), seed_of(bureau)))
    fork.grow(500)
    with witness.running():
        assert witness.post(fork.request(0)).status_code == 200
        act(app)
        assert ask(app) == 0
        refused_at = stands(app).refused_at
        assert refused_at == clock.now
        act(app, 600)
        clock.step(minutes=20)
        assert ask(app) == 0
    clock.step(minutes=20)
    assert ask(app) == 0  # it is down: the alarm and its reason stay
    assert stands(app).refused_at == refused_at
    assert "does not begin with the older one" in stands(app).problem
    with app.app_context():
        kinds = db.session.scalars(select(CustodyEvent.kind)).all()
    assert kinds.count("log:refused") == 1
    assert "zhenglian_log_refused{" in metrics(app)
    page = logged_in(app).get("/custody-log")
    assert NAME in page.text
    assert 'role="alert"' in page.text
    assert "日志被见证方拒绝" in logged_in(app).get("/").text


def logged_in(app: Flask) -> FlaskClient:
    client = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/login").text)
    assert token
    said = {"username": "supervisor", "password": PASSWORD, "csrf_token": token[1]}
    client.post("/login", data=said)
    return client


def metrics(app: Flask) -> str:
    return app.test_client().get("/metrics").text


def signer_name(app: Flask) -> str:
    return signer_key(app).partition("+")[0]


def seed_of(bureau: Bureau) -> bytes:
    return read_key(bureau.data / "keys" / "log.key", "zhenglian.local/log").seed


def test_a_witness_that_does_not_know_the_log_is_silent_and_no_alarm(
    bureau: Bureau, witness: RunningWitness, clock: SteppingClock
) -> None:
    app = application(bureau, ZHENGLIAN_WITNESSES=f"{witness.url} {witness.key}")
    act(app)
    assert ask(app) == 0
    assert (stands(app).silent_since, stands(app).refused_at) == (clock.now, None)
    assert stands(app).problem.startswith("404")


def test_a_cosignature_that_does_not_verify_is_not_kept(
    bureau: Bureau, clock: SteppingClock, tmp_path: Path
) -> None:
    with create_app(bureau.environ).app_context():
        found = RunningWitness(tmp_path / "witness", [signer().verifier_key])
    with found.running():
        another = Cosigner(NAME, bytes(32)).verifier_key
        app = application(bureau, ZHENGLIAN_WITNESSES=f"{found.url} {another}")
        act(app)
        assert ask(app) == 0
    assert "does not verify" in stands(app).problem
    with app.app_context():
        assert db.session.scalar(select(KeptCheckpoint.size)) is None


def test_of_the_cosigned_each_hours_first_and_the_newest_stay(
    watched: tuple[Flask, RunningWitness], clock: SteppingClock
) -> None:
    app, witness = watched
    sizes = []
    with witness.running():
        for _ in range(2):
            for _ in range(5):
                sizes.append(act(app).size)
                assert ask(app) == 1
                clock.step(minutes=5)
            clock.step(minutes=40)
    with app.app_context():
        kept = db.session.scalars(select(KeptCheckpoint.size).order_by(KeptCheckpoint.size)).all()
    assert kept == [sizes[0], sizes[3], sizes[4], sizes[5], sizes[8], sizes[9]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ZHENGLIAN_WITNESSES", "https://witness.example"),
        ("ZHENGLIAN_WITNESSES", "witness.example key"),
        ("ZHENGLIAN_WITNESSES", f"https://witness.example {LOG.verifier_key}"),
        ("ZHENGLIAN_TIMESTAMPS", "https://tsa.example /nowhere/root.pem"),
        ("ZHENGLIAN_TIMESTAMPS", f"https://tsa.example {__file__}"),
        ("ZHENGLIAN_TIMESTAMP_MINUTES", "0"),
        ("ZHENGLIAN_TIMESTAMP_MINUTES", "hourly"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        config.read({"ZHENGLIAN_DATA": str(tmp_path), name: value})


def test_a_request_reads_back_as_it_was_written() -> None:
    log = GrowingLog()
    log.grow(9)
    body = log.request(4)
    assert str(AddCheckpoint.parse(body)) == body
