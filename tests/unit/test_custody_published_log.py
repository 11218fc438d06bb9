"""/log/: public, and nothing beyond what is signed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from evidence.base import Base
from evidence.custody import merkle
from evidence.custody.append import append
from evidence.custody.checkpoint import verify_checkpoint
from evidence.custody.kinds import Kind
from evidence.custody.sequencer import Sequencer
from evidence.custody.tiles import TileReader
from evidence.people.actor import SYSTEM
from evidence.sqlite import begin_write
from server import config, extensions, problems
from server.api import log

ORIGIN = "evidence.example/log"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    settings = config.read({"ZHENGLIAN_DATA": str(tmp_path), "ZHENGLIAN_LOG_ORIGIN": ORIGIN})
    config.prepare_data(settings)
    app = Flask(__name__)
    extensions.init(app, settings)
    problems.init(app)
    app.register_blueprint(log.blp)
    with app.app_context():
        Base.metadata.create_all(extensions.db.engine)
    yield app
    with app.app_context():
        extensions.db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def grow(app: Flask, count: int) -> None:
    """Add events and sequence them."""
    with app.app_context():
        sessions, store, signer = extensions.sessions(), extensions.store(), extensions.signer()
    with sessions() as session:
        begin_write(session)
        for _ in range(count):
            append(session, Kind.EXHIBIT_VIEWED, uuid4(), SYSTEM)
        session.commit()
    sequencer = Sequencer(sessions, store, signer, "test")
    while sequencer.run_once():
        pass


class _Fetched:
    """A TileStore that knows only what a stranger can fetch."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client

    def tile(self, path: str) -> bytes | None:
        response = self._client.get(f"/log/{path}")
        return response.data if response.status_code == 200 else None

    def put_tile(self, path: str, content: bytes) -> None:
        raise AssertionError("a stranger writes nothing")


def test_a_stranger_follows_the_log_from_one_checkpoint_to_the_next(
    app: Flask, client: FlaskClient
) -> None:
    grow(app, 300)
    key = client.get("/log/key").text.strip()
    older = verify_checkpoint(client.get("/log/checkpoint").text, key)
    grow(app, 400)
    newer = verify_checkpoint(client.get("/log/checkpoint").text, key)
    assert (older.size, newer.size) == (301, 701)
    reader = TileReader(_Fetched(client), newer.size)
    assert reader.root() == newer.root
    merkle.verify_consistency(
        older.size, newer.size, older.root, newer.root, reader.consistency(older.size)
    )
    leaves = [merkle.leaf_hash(e) for n in range(3) for e in reader.entries(n)]
    assert merkle.root_of(leaves) == newer.root


def test_tiles_are_kept_for_ever_and_the_checkpoint_for_a_moment(
    app: Flask, client: FlaskClient
) -> None:
    grow(app, 256)
    checkpoint = client.get("/log/checkpoint")
    assert checkpoint.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "max-age=2" in checkpoint.headers["Cache-Control"]
    tile = client.get("/log/tile/0/000")
    assert len(tile.data) == 8192
    assert "immutable" in tile.headers["Cache-Control"]
    assert len(client.get("/log/tile/entries/000").data) == 256 * 34


def test_there_is_nothing_before_the_first_checkpoint(client: FlaskClient) -> None:
    assert client.get("/log/checkpoint").status_code == 404
    assert client.get("/log/tile/0/000").status_code == 404


def test_a_tile_that_no_checkpoint_signs_yet_is_not_shown(app: Flask, client: FlaskClient) -> None:
    grow(app, 2)
    with app.app_context():
        extensions.store().put_tile("tile/0/000.p/4", bytes(4 * 32))
    assert client.get("/log/tile/0/000.p/3").status_code == 200
    assert client.get("/log/tile/0/000.p/4").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/0/00",
        "tile/00/000",
        "tile/-1/000",
        "tile/64/000",
        "tile/0/x000/000",
        "tile/0/000.p/0",
        "tile/0/000.p/03",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/0/001",
        "tile/1/000",
        "tile/entries/../0/000",
        "tile/0/..%2f..%2f..%2fkeys/log.key",
        "tile/0/٠٠٠",
        "tile/0/000%00",
        "tile/0/" + "x999/" * 50 + "999",
        "tile/",
        "tile",
    ],
)
def test_a_path_is_spelt_one_way_or_not_found(app: Flask, client: FlaskClient, path: str) -> None:
    grow(app, 2)
    assert client.get(f"/log/{path}").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written_here(client: FlaskClient, method: str) -> None:
    assert client.open("/log/checkpoint", method=method).status_code == 405
    assert client.open("/log/tile/0/000", method=method).status_code == 405
