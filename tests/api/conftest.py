"""The application over an empty database, with a small bureau in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from evidence import clock as evidence_clock
from evidence.base import Base
from server import create_app
from server.extensions import db
from tests import databases
from tests.api.office import Office, open_office
from tests.conftest import SteppingClock


def _application(data: Path) -> Flask:
    return create_app(
        {
            "ZHENGLIAN_DATA": str(data),
            "ZHENGLIAN_DATABASE_URL": databases.database_url(data / "zhenglian.db"),
            "ZHENGLIAN_STORE_URL": "memory:",
            "ZHENGLIAN_QUEUE_URL": "memory:",
        },
        TESTING=True,
    )


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """The bureau on its first day: every test begins with a copy of its data folder."""
    app = _application(tmp_path_factory.mktemp("office") / "data")
    with evidence_clock.replaced_by(SteppingClock()):
        with app.app_context():
            Base.metadata.create_all(db.engine)
        office = open_office(app)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    return office


@pytest.fixture
def office(opened: Office, tmp_path: Path, clock: SteppingClock) -> Iterator[Office]:
    databases.copy_folder(opened.app.extensions["zhenglian"]["settings"].data, tmp_path / "data")
    app = _application(tmp_path / "data")
    yield dataclasses.replace(opened, app=app)
    with app.app_context():
        db.engine.dispose()
