"""Fixtures that every room shares: a database file, a stepping clock, a store in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

import evidence.cases.models
import evidence.custody.guards
import evidence.dossier.models
import evidence.exhibits.text_search
import evidence.inspections.models
import evidence.uploads.models  # noqa: F401
from evidence import clock as evidence_clock
from evidence.base import Base
from evidence.sqlite import prepare
from evidence.storage.memory import MemoryStore
from tests.bureau import app, as_role, bureau, bureau_template, client
from tests.front import front, own_front
from tests.live import live_server, own_server

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
    engine = prepare(create_engine(f"sqlite:///{tmp_path / 'evidence.db'}"))
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
