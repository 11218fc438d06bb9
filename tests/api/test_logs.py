"""What the processes write down: one line of JSON each, joined by the request's id, no secret."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError

from server import logs
from server.accounts.models import LoginFailures
from server.unit_of_work import unit_of_work
from tests.api.tus import OCTETS, UPLOADS, Tus
from tests.bureau import PASSWORD
from tests.faults.test_kill import until
from tests.live import LiveServer

SECRET = "Geheimnis123"


def lines(text: str) -> list[dict[str, Any]]:
    """Fails where one is no JSON."""
    return [json.loads(line) for line in text.splitlines()]


def raw(server: LiveServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(65536)


@pytest.mark.one_box("the original's file is taken away")
def test_every_line_is_json_and_holds_no_secret(own_server: LiveServer) -> None:
    own_server.start()
    token = own_server.tokens["supervisor"]
    tus = Tus(own_server)
    where = tus.create(len(SECRET))
    assert tus.send(where, 0, SECRET.encode()).status == 204
    exhibit = tus.state(where)["exhibit"]
    supervisor = Tus(own_server, token)
    body = {"Content-Type": "application/json"}
    for said in (f'{{"username": "officer", "password": "{SECRET}"}}', f'{{"{SECRET}'):
        supervisor.ask("POST", "/api/v1/auth/token", dict(body), said.encode())
    supervisor.ask("POST", f"{UPLOADS}?q={SECRET}", {"Upload-Metadata": f"filename {SECRET}!"})
    supervisor.ask("PATCH", where, {"Content-Type": OCTETS, "Upload-Offset": SECRET}, b"x")
    # gunicorn cannot read these, and would say what they were.
    for request in (
        f"{SECRET}\r\n\r\n",
        f"GET /?{SECRET} HTTP/9.9\r\nHost: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\n{SECRET} {SECRET}: 1\r\n\r\n",
        f"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}\r\n",
    ):
        assert SECRET.encode() not in raw(own_server, request.encode()).split(b"\r\n\r\n")[0]
    for original in (own_server.data / "store" / "originals").rglob("*"):
        if original.is_file():
            original.unlink()
    broken = supervisor.ask("GET", f"{exhibit}/original?token={SECRET}")
    assert broken.status == 500
    own_server.stop()
    web, worker = own_server.said("web"), own_server.said("worker")
    access = (own_server.data / "logs" / f"web-{own_server.port}.log").read_text()
    for text in (web, worker, access):
        lines(text)
        for secret in (SECRET, token, own_server.tokens["station"], PASSWORD):
            assert secret not in text
    (incident,) = [line for line in lines(web) if broken.json["incident"] in line["said"]]
    assert incident["request"] == broken.headers["X-Request-Id"]
    assert "Traceback" in incident["error"]
    (asked,) = [line for line in lines(access) if line["request"] == incident["request"]]
    assert (asked["status"], asked["path"]) == (500, f"{exhibit}/original")
    assert any("Invalid request from ip=127.0.0.1" in line["said"] for line in lines(web))


@pytest.mark.one_box("the folder of the staging area is taken away")
def test_a_worker_in_trouble_says_so_in_lines_of_json(own_server: LiveServer) -> None:
    own_server.start_brisk_worker()
    staging = own_server.data / "store" / "staging"
    until(lambda: "a worker begins" in own_server.said("worker"))
    staging.rename(staging.with_name("elsewhere"))
    until(lambda: "sweep failed" in own_server.said("worker"))
    own_server.stop()
    found = lines(own_server.said("worker").replace("a worker begins\n", ""))
    failed = next(line for line in found if line["said"] == "sweep failed")
    assert (failed["level"], failed["logger"]) == ("error", "zhenglian.worker")
    assert "No such file or directory" in failed["error"]


def test_what_a_statement_was_asked_with_is_in_no_error(app: Flask) -> None:
    digest = SECRET.encode().ljust(32)
    with app.app_context(), unit_of_work() as session:
        session.add(LoginFailures(subject_sha256=digest, failures=None))
        with pytest.raises(IntegrityError) as refusal:
            session.flush()
        session.rollback()
    assert SECRET not in str(refusal.value)


@pytest.fixture
def unhooked() -> Iterator[None]:
    """Give back to the test run what `logs.begin` takes for itself."""
    root, hooks = logging.getLogger(), (threading.excepthook, sys.excepthook)
    handlers, level = list(root.handlers), root.level
    yield
    threading.excepthook, sys.excepthook = hooks
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_thread_that_ends_badly_leaves_a_line(
    unhooked: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.begin(logging.INFO)
    thread = threading.Thread(target=lambda: {}["nothing"])
    thread.start()
    thread.join()
    (line,) = lines(capsys.readouterr().err)
    assert (line["level"], line["said"]) == ("critical", "a thread has ended")
    assert "KeyError" in line["error"]


def test_a_line_break_in_what_is_said_makes_no_second_line(
    unhooked: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.begin(logging.INFO)
    logging.getLogger("zhenglian").warning("%s", '证据\n{"level": "forged"}')
    (line,) = lines(capsys.readouterr().err)
    assert line["said"] == '证据\n{"level": "forged"}'
