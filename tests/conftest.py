"""Fixtures that every room shares: a database file, a stepping clock, a store in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

import evidence.cases.models
import evidence.custody.guards
import evidence.dossier.models
import evidence.exhibits.text_search
import evidence.inspections.models
import evidence.uploads.models  # noqa: F401
from evidence import clock as evidence_clock
from evidence.base import Base
from evidence.storage.memory import MemoryStore
from tests import databases, queues, s3_service
from tests.bureau import app, as_role, bureau, bureau_template, client
from tests.front import front, own_front
from tests.live import live_server, own_server

# How long an example takes is the machine's business; figures are for scripts/bench.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

__all__ = [
    "app",
    "as_role",
    "bureau",
    "bureau_template",
    "client",
    "front",
    "live_server",
    "own_front",
    "own_server",
]


# What meets a database or another server; the rest is the same on every set-up, and is run on one
# box only.
_DATABASES = {"engine", "bureau_template", "opened"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", default="0", help="of faults, in the storms; 0: each once")
    parser.addoption("--grown-up", action="store_true", help="with PostgreSQL, Redis and S3")


def pytest_configure(config: pytest.Config) -> None:
    # A test's pool may be left to the collector: a SQLite connection says nothing of that either.
    unclosed = r"ignore:<psycopg\..* was deleted while still open:ResourceWarning"
    config.addinivalue_line("filterwarnings", unclosed)
    if config.getoption("grown_up"):
        # Nor does SQLite's queue, nor a store that is a folder.
        config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")
    if config.getoption("grown_up") and not hasattr(config, "workerinput"):
        cluster = databases.Cluster()
        for server in (cluster, queues.RedisServer(), s3_service.SeaweedServer()):
            config.add_cleanup(server.remove)
            server.start()
            server.announce()


def _modules(item: pytest.Item) -> Iterator[ModuleType]:
    """What a test's own module has imported."""
    for found in vars(getattr(item, "module", None)).values():
        if isinstance(found, ModuleType):
            yield found


def _is_wanted(item: pytest.Item, grown_up: bool) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {}).values()
    on_s3 = any("s3" in param.split() for param in params if isinstance(param, str))
    if "new_postgresql" in getattr(item, "fixturenames", ()):
        return grown_up
    needs_servers = on_s3 or item.get_closest_marker("grown_up") is not None
    if not grown_up:
        return not needs_servers
    if item.get_closest_marker("one_box"):
        return False
    meets_a_database = _DATABASES & set(getattr(item, "fixturenames", ()))
    return bool(needs_servers or meets_a_database or databases in _modules(item))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = [item for item in items if _is_wanted(item, config.getoption("grown_up"))]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


@pytest.fixture(autouse=True)
def _drop_databases(request: pytest.FixtureRequest) -> Iterator[None]:
    if not databases.grown_up() or "tmp_path" not in request.fixturenames:
        yield
        return
    folder = request.getfixturevalue("tmp_path")
    yield
    databases.drop_below(folder)


class SteppingClock:
    """Tells the same time until it is stepped."""

    def __init__(self) -> None:
        self.now = dt.datetime(2023, 9, 15, 2, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def step(self, **by: float) -> None:
        """Go on by a timedelta's arguments; backwards where they are negative."""
        self.now += dt.timedelta(**by)


@pytest.fixture
def clock() -> Iterator[SteppingClock]:
    stepping = SteppingClock()
    with evidence_clock.replaced_by(stepping):
        yield stepping


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = databases.open_database(tmp_path / "evidence.db")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine, expire_on_commit=False)


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions() as session:
        yield session


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()
