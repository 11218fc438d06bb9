"""A bureau that has worked for a day, and what its databases hold: for moving, backup, restore.

The day is lived once a run, by a real server; each test has a copy of the stopped bureau's folder.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from evidence.sqlite import prepare
from server import copying, migrate
from server.copying import CopiedTable
from tests.api.tus import Tus, metadata
from tests.bureau import Bureau, founded
from tests.contracts.stores import sha256
from tests.faults.test_kill import until
from tests.live import LiveServer

RECORDINGS = {
    "现场 ①.mp4": b"a recording of the first inspection" * 1000,
    "DCAM_HD012_000001_20230915_100000.mp4": os.urandom(3 * 1024 * 1024),
    "第三段.mp4": b"",
}
_CASE = {"number": "衡东市监罚字(2023)451号", "party": "王记食品店", "sector": "food"}


@dataclass(frozen=True)
class Day:
    """What is left of it; the log is signed up to its last event."""

    bureau: Bureau

    @property
    def data(self) -> Path:
        return self.bureau.data

    @property
    def database(self) -> str:
        return f"sqlite:///{self.data / 'zhenglian.db'}"

    @property
    def store(self) -> Path:
        return self.data / "store"

    def original(self, name: str) -> Path:
        return original_in(self.store, RECORDINGS[name])


def original_in(store: Path, content: bytes) -> Path:
    digest = sha256(content)
    return store / "originals" / digest[:2] / digest[2:4] / digest


@pytest.fixture(scope="session")
def day_template(tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    bureau = Bureau(tmp_path_factory.mktemp("day") / "data", one_box=True)
    server = LiveServer(founded(bureau))
    try:
        server.start()
        _work(server)
    finally:
        server.stop()
    return server.bureau


@pytest.fixture
def day(day_template: Bureau, tmp_path: Path) -> Day:
    return Day(day_template.copy_to(tmp_path / "day"))


def _work(server: LiveServer) -> None:
    dock, handler = Tus(server), Tus(server, server.tokens["other_handler"])
    exhibits = []
    for name, content in RECORDINGS.items():
        claims = metadata(filename=name, sha256=sha256(content), recorder="HD-013")
        where = dock.create(len(content), {"Upload-Metadata": claims})
        if content:
            assert dock.send(where, 0, content).status == 204
        exhibits.append(dock.state(where)["exhibit"].rsplit("/", 1)[1])
    forged = dock.create(4, {"Upload-Metadata": metadata(filename="x", sha256="0" * 64)})
    dock.send(forged, 0, b"else")
    assert dock.state(forged)["state"] == "quarantined"
    _post(handler, "/api/v1/cases", {**_CASE, "filed_on": "2023-09-15"})
    linked = {"case_number": _CASE["number"], "note": "现场"}
    _post(handler, f"/api/v1/exhibits/{exhibits[0]}/links", linked)
    until(lambda: handler.ask("GET", f"/api/v1/exhibits/{exhibits[0]}/proof").status == 200)


def _post(client: Tus, where: str, body: dict[str, str]) -> None:
    answer = client.ask(
        "POST", where, {"Content-Type": "application/json"}, json.dumps(body).encode()
    )
    assert answer.status == 201, answer.body


# Most of what a command of ours costs is Python's reading of its modules. The server that these
# processes are forked from has read them, and nothing else: no connection, thread or lock.
_FORKING = multiprocessing.get_context("forkserver")
_MODULES = {
    "backup": "server.backup",
    "log-audit": "server.log_audit",
    "move-database": "server.database_move",
    "move-store": "server.store_move",
    "restore": "server.restore",
}


def _become(module: str, arguments: list[str], environ: dict[str, str], said: Path) -> None:
    with said.open("wb") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = [module, *arguments]
    sys.exit(importlib.import_module(module).main())


def run(script: str, *arguments: object, **environ: str) -> tuple[int, str]:
    """One of ours, in a process of its own: exit code, and what it said."""
    _FORKING.set_forkserver_preload(list(_MODULES.values()))
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        given = ([*map(str, arguments)], {**os.environ, **environ}, said)
        process = _FORKING.Process(target=_become, args=(_MODULES[script], *given))
        process.start()
        process.join()
        words = said.read_text("utf-8")
    assert "Traceback" not in words, words
    assert process.exitcode is not None
    return process.exitcode, words


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = prepare(create_engine(url))
    try:
        yield engine
    finally:
        engine.dispose()


def migrated(url: str) -> str:
    """The same database, with empty tables."""
    with opened(url) as engine:
        migrate.upgrade(engine)
    return url


def digests(url: str) -> list[CopiedTable]:
    """Rows and digest of every table."""
    with opened(url) as engine, engine.connect() as connection:
        return [copying.digest_of(connection, t) for t in copying.tables(connection)]


def rows(url: str) -> int:
    return sum(table.rows for table in digests(url))
