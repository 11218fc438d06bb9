"""scripts/run as a person starts it: ready, told how to log in, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import ROOT, free_port

RUN = ROOT / "scripts" / "run"
PASSWORD = "a password of mine"
# The first one may have to make the virtual environment.
START_SECONDS = 240
ROLES = (
    "officer",
    "handler",
    "supervisor",
    "reviewer",
    "leader",
    "archivist",
    "auditor",
    "administrator",
)


class Run:
    """One life of scripts/run over `data`."""

    def __init__(self, data: Path, *options: str, **environ: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.out = data.parent / f"run-{self.port}.out"
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(RUN), "--port", str(self.port), "--data", str(data), *options],
                cwd=data.parent,
                env={**os.environ, **environ},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def words(self) -> str:
        return self.out.read_text()

    def until_ready(self) -> Run:
        _until(lambda: "is ready: " in self.words or self.process.poll() is not None)
        assert self.process.poll() is None, self.words
        return self

    def said(self, what: str) -> str:
        """What stands behind a word on its own line, such as `password`."""
        found = re.search(rf"^  {what} +(.+)$", self.words, re.MULTILINE)
        assert found is not None, self.words
        return found[1]

    def children(self) -> list[int]:
        """Processes that live in this data folder, other than scripts/run."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environ = (folder / "environ").read_bytes()
            except OSError:
                continue
            mine = os.fsencode(f"ZHENGLIAN_DATA={self.data}") in environ.split(b"\0")
            if mine and int(folder.name) != self.process.pid:
                found.append(int(folder.name))
        return found

    def ask(self, path: str, token: str = "", body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self.url + path, data, headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def log_in(self, username: str) -> str:
        body = {"username": username, "password": self.said("password")}
        token: str = self.ask("/api/v1/auth/token", body=body)["token"]
        return token

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


def _until(condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The demonstration, started; in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("a bureau")
    run = Run(folder / "data", "--demo", ZHENGLIAN_DEMO_PASSWORD=PASSWORD).until_ready()
    yield run
    run.end()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start one over a folder of this test; whatever is left of it ends with the test."""
    started: list[Run] = []

    def one(*options: str, data: Path = tmp_path / "data", **environ: str) -> Run:
        started.append(Run(data, *options, **environ))
        return started[-1]

    yield one
    for run in started:
        run.end()


# ── the demonstration ────────────────────────────────────────────────────────────────────


def test_it_is_ready_when_it_says_so(demo: Run) -> None:
    assert demo.ask("/readyz")["ready"] is True


@pytest.mark.parametrize("role", ROLES)
def test_every_role_logs_in_with_the_password_that_was_printed(demo: Run, role: str) -> None:
    assert role in demo.said("users")
    assert demo.log_in(role).startswith("zl_")


def test_secrets_are_in_files_for_their_owner_and_in_no_process_list(demo: Run) -> None:
    for name in ("demo-password", "demo-dock-token", "keys/log.key", "keys/secret.key"):
        assert stat.S_IMODE((demo.data / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(demo.data.stat().st_mode) == 0o700
    assert demo.said("password") == PASSWORD
    secrets = [PASSWORD, (demo.data / "demo-dock-token").read_text().split()[0]]
    assert len(demo.children()) >= 2
    for child in demo.children():
        for file in ("cmdline", "environ"):
            shown = (Path("/proc") / str(child) / file).read_text()
            assert not any(secret in shown for secret in secrets), file


def _all(demo: Run, path: str, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = demo.ask(f"{path}?limit=100{cursor}", token)
        found += page["items"]
        if not page.get("next"):
            return found
        cursor = f"&cursor={page['next']}"


def test_the_bureau_is_as_large_as_the_real_one(demo: Run) -> None:
    token = demo.log_in("administrator")
    units = _all(demo, "/api/v1/units", token)
    kinds = [unit["kind"] for unit in units]
    assert (kinds.count("inspection"), kinds.count("handling"), len(kinds)) == (13, 10, 23)
    handling = {unit["id"] for unit in units if unit["kind"] == "handling"}
    assert all(
        unit["hands_over_to"]["id"] in handling for unit in units if unit["kind"] == "inspection"
    )
    assert len(_all(demo, "/api/v1/officers", token)) == 176
    recorders = [recorder["number"] for recorder in _all(demo, "/api/v1/recorders", token)]
    assert sorted(recorders) == [f"HD-{n:03d}" for n in range(1, 70)]


def test_the_handler_reaches_the_officers_footage_and_the_case(demo: Run) -> None:
    officer, handler = demo.log_in("officer"), demo.log_in("handler")
    own = {exhibit["id"] for exhibit in _all(demo, "/api/v1/exhibits", officer)}
    reached = {exhibit["id"] for exhibit in _all(demo, "/api/v1/exhibits", handler)}
    assert own
    assert own < reached
    cases = [case["number"] for case in _all(demo, "/api/v1/cases", handler)]
    assert "衡东市监罚字〔2023〕451号" in cases
    assert len(_all(demo, "/api/v1/inspections", demo.log_in("supervisor"))) == 30


def test_every_recording_has_its_wearer_from_the_ledger_and_a_picture(demo: Run) -> None:
    token = demo.log_in("supervisor")
    exhibits = _all(demo, "/api/v1/exhibits", token)
    assert len(exhibits) >= 8
    assert all(exhibit["officer"] for exhibit in exhibits)

    def pictured() -> bool:
        request = urllib.request.Request(
            f"{demo.url}/api/v1/exhibits/{exhibits[-1]['id']}/poster",
            headers={"Authorization": f"Bearer {token}"},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return bool(answer.headers["Content-Type"] == "image/jpeg")
        except urllib.error.HTTPError:
            return False

    _until(pictured, 30)


def test_the_command_that_was_printed_docks_the_card(demo: Run) -> None:
    (line,) = [line for line in demo.words.splitlines() if "scripts/dock" in line]
    command = [sys.executable, *shlex.split(line)]
    done = subprocess.run(
        [*command, "--state", str(demo.data.parent / "dock")],
        check=False,
        cwd=demo.data.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": sealed E") == 3
    token = demo.log_in("officer")
    mine = demo.ask("/api/v1/exhibits?limit=3", token)["items"]
    assert {exhibit["recorder"]["number"] for exhibit in mine} == {"HD-012"}


# ── once more, and its end ───────────────────────────────────────────────────────────────


def _labels(run: Run) -> list[tuple[str, str]]:
    """The bytes and names of every exhibit; whether a worker has read them is no matter here."""
    found = _all(run, "/api/v1/exhibits", run.log_in("supervisor"))
    return [(exhibit["label"], exhibit["sha256"]) for exhibit in found]


def test_started_again_it_keeps_its_data_and_its_password_and_ends_whole(
    demo: Run, start: Callable[..., Run]
) -> None:
    exhibits = _labels(demo)
    assert demo.end() == 0
    assert demo.children() == []

    began = time.monotonic()
    again = start("--demo", data=demo.data).until_ready()
    assert time.monotonic() - began < 60
    assert again.said("password") == PASSWORD
    assert _labels(again) == exhibits
    again.end(signal.SIGKILL)
    _until(lambda: again.children() == [], 20)

    refused = start(data=demo.data)
    assert refused.process.wait(60) == 1
    assert "is a demonstration's" in refused.words


def test_without_demo_there_is_one_administrator_whose_password_is_shown_once(
    start: Callable[..., Run],
) -> None:
    run = start().until_ready()
    kept = run.data / "administrator-password"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_text().strip() == run.said("password")
    token = run.log_in("administrator")
    assert _all(run, "/api/v1/officers", token) == []
    assert run.end(signal.SIGINT) == 130
    assert run.children() == []

    demo = start("--demo")
    assert demo.process.wait(60) == 1
    assert "belongs to a real bureau" in demo.words

    again = start().until_ready()
    assert str(kept) in again.said("password")
    (worker,) = [
        child
        for child in again.children()
        if b"server.worker" in (Path("/proc") / str(child) / "cmdline").read_bytes()
    ]
    os.kill(worker, signal.SIGKILL)
    assert again.process.wait(30) == 1
    assert again.words.endswith("The worker process has ended; everything is stopped.\n")
    assert again.children() == []


def test_a_first_start_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environ = {**os.environ, "ZHENGLIAN_DATA": str(data)}
    command = [sys.executable, "-m", "server.first_start", "--demo", "--url", "http://here"]
    for reached in ("demo", "demo-dock-token"):
        with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL) as killed:
            _until((data / reached).exists)
            killed.kill()
    done = subprocess.run(
        command, cwd=ROOT, env=environ, check=True, stdout=subprocess.PIPE, text=True
    )
    # Nobody gave a password: one was made at random, is kept, and is told each time.
    (made_up,) = re.findall(r"^  password +(\S{12,})$", done.stdout, re.MULTILINE)
    assert (data / "demo-password").read_text().strip() == made_up
    connection = sqlite3.connect(data / "zhenglian.db")
    counted = [
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("officers", "recorders", "exhibits", "exhibit_links", "stations")
    ]
    connection.close()
    assert counted == [176, 69, 8, 2, 1]
    assert len(list((data / "demo-card").iterdir())) == 3
    assert len((data / "demo-dock-token").read_text().splitlines()) == 2


# ── refusals ─────────────────────────────────────────────────────────────────────────────


def _refused(*options: str) -> str:
    done = subprocess.run(
        [sys.executable, str(RUN), *options], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "127.0.0.1.nip"])
def test_a_demonstration_is_not_shown_to_the_world(host: str) -> None:
    assert f"--demo does not listen on {host}" in _refused("--demo", "--host", host)


def test_a_port_that_is_taken_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = _refused("--port", port, "--data", str(tmp_path / "data"))
    assert f"port {port}: something else listens there" in said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_that_is_none_is_said(port: str) -> None:
    assert f"--port {port} is not a port" in _refused(f"--port={port}")


def test_an_address_of_another_machine_is_said() -> None:
    assert "this machine does not have that address" in _refused("--host", "192.0.2.1")


@pytest.mark.parametrize(
    "command",
    ["run", "test", "check", "backup", "restore", "move-database", "move-store", "log-audit"],
)
def test_every_command_answers_help(command: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / command), "--help"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert command in done.stdout
