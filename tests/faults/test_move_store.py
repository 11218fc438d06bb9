"""scripts/move-store, killed at any moment and begun again; and the switch under a server."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from evidence.storage.filesystem import FilesystemStore
from evidence.storage.port import Store
from tests.api.tus import Tus, metadata
from tests.contracts.stores import MOVING, close, new_url, sha256, staged, store_at
from tests.day import RECORDINGS, Day, day, day_template, run
from tests.faults.moving import killed_on_its_way
from tests.live import LiveServer
from tests.unit.test_mirroring import everything

__all__ = ["day", "day_template"]

KILLS = 6
MIB = 1024 * 1024


def _fill(store: Store, chance: random.Random) -> None:
    for _ in range(20):
        upload_id = staged(store, chance.randbytes(chance.randrange(6 * MIB)), pieces=MIB)
        store.file(upload_id, store.read_back(upload_id))
        store.remove(upload_id)
    for n in range(60):
        store.put_derivative(chance.randbytes(3000))
        store.put_tile(f"tile/0/{n:03d}", chance.randbytes(8192))


@pytest.mark.parametrize("backend", MOVING)
def test_killed_at_any_moment_it_loses_nothing_and_goes_on(backend: str, tmp_path: Path) -> None:
    chance = random.Random(20231115)
    new, _, old = backend.partition(" over ")
    here, there = new_url(old, tmp_path / "old"), new_url(new, tmp_path / "new")
    source, target = store_at(here, tmp_path / "old"), store_at(there, tmp_path / "new")
    _fill(source, chance)
    (tmp_path / "data").mkdir()
    arguments = ["--to", there, "--data", str(tmp_path / "data")]
    before, stages = everything(source), set()
    for kill in range(KILLS):
        # A fast disk takes everything in half a second, a service in two.
        within = 0.04 * 2**kill
        killed_on_its_way(chance, *arguments, within=within, ZHENGLIAN_STORE_URL=here)
        found = everything(target)
        stages.add(len(found))
        # Whatever is there under its name is whole.
        assert found.items() <= before.items()
        assert everything(source) == before
    code, said = run("move-store", *arguments, ZHENGLIAN_STORE_URL=here)
    assert (code, "✗" in said) == (0, False), said
    assert everything(target) == everything(source) == before
    assert list(target.staged()) == []
    # Some runs were killed in the middle.
    assert any(0 < there < len(before) for there in stages), stages
    code, said = run("move-store", *arguments, "--check", ZHENGLIAN_STORE_URL=here)
    assert (code, "pending: 0 originals" in said) == (0, True)
    close(source, target)


@pytest.mark.one_box("the day was lived on one box, between whose folders it moves")
def test_the_switch_while_the_server_runs(day: Day) -> None:
    """Set both, restart, move until nothing is pending, unset the old one: the README's steps."""
    old, new = day.store, day.data / "new-store"
    settings = {"ZHENGLIAN_STORE_URL": new.as_uri(), "ZHENGLIAN_STORE_OLD_URL": old.as_uri()}
    server = LiveServer(day.bureau, settings)
    content = b"after the switch" * 1000
    try:
        server.start()
        dock = Tus(server)
        claims = metadata(filename="后.mp4", sha256=sha256(content))
        where = dock.create(len(content), {"Upload-Metadata": claims})
        dock.send(where, 0, content)
        assert dock.state(where)["state"] == "sealed"
        _see_everything(server)
        code, said = run("move-store", "--data", day.data, "--check", **settings)
        assert (code, "pending: 3 originals, 1 quarantined" in said) == (1, True), said
        code, said = run("move-store", "--data", day.data, **settings)
        assert code == 0, said
    finally:
        server.stop()
    moved = everything(FilesystemStore(new))
    assert everything(FilesystemStore(old)).items() <= moved.items()
    assert moved[sha256(content)] == content
    old.rename(day.data / "gone")
    server = LiveServer(day.bureau, {"ZHENGLIAN_STORE_URL": new.as_uri()})
    try:
        server.start()
        _see_everything(server)
    finally:
        server.stop()


def _see_everything(server: LiveServer) -> None:
    client = Tus(server, server.tokens["supervisor"])
    listed = client.ask("GET", "/api/v1/exhibits?state=sealed").json["items"]
    seen = set()
    for exhibit in listed:
        answer = client.ask("GET", f"/api/v1/exhibits/{exhibit['id']}/original")
        assert answer.status == 200, answer.body
        seen.add(answer.body)
    assert seen >= set(RECORDINGS.values())


def test_wrong_use_is_refused_in_words(tmp_path: Path) -> None:
    data = tmp_path / "data"
    FilesystemStore(data / "store")
    code, said = run("move-store", "--data", data)
    assert (code, "Say where to, with --to" in said) == (2, True)
    code, said = run("move-store", "--data", data, "--to", (data / "store").as_uri())
    assert (code, "is the same as" in said) == (2, True)
    code, said = run("move-store", "--data", tmp_path / "none", "--to", tmp_path.as_uri())
    assert (code, "there is no store in" in said) == (2, True)
    code, said = run("move-store", "--data", data, "--to", "ftp://x")
    assert code == 2


def test_two_at_once_are_one(tmp_path: Path) -> None:
    from server.config import read
    from server.store_move import alone

    data = tmp_path / "data"
    FilesystemStore(data / "store")
    with alone(read({"ZHENGLIAN_DATA": str(data)})):
        code, said = run("move-store", "--data", data, "--to", (tmp_path / "new").as_uri())
    assert (code, "Another scripts/move-store" in said) == (2, True)
