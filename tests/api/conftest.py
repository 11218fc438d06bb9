"""The application over an empty database, with a small bureau in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from evidence.base import Base
from server import create_app
from server.extensions import db
from tests.api.office import Office, open_office
from tests.conftest import SteppingClock


@pytest.fixture
def office_app(tmp_path: Path) -> Iterator[Flask]:
    app = create_app(
        {
            "ZHENGLIAN_DATA": str(tmp_path / "data"),
            "ZHENGLIAN_STORE_URL": "memory:",
            "ZHENGLIAN_QUEUE_URL": "memory:",
        },
        TESTING=True,
    )
    with app.app_context():
        Base.metadata.create_all(db.engine)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def office(office_app: Flask, clock: SteppingClock) -> Office:
    return open_office(office_app)
