"""The store of a running installation goes from a disk to an S3 service, and back to a disk.

By the commands of the README: recordings arrive and are read all the while, scripts/move-store is
killed on its way again and again, and web and worker are started again with other settings.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from evidence.storage.filesystem import FilesystemStore
from evidence.storage.port import Store
from evidence.storage.s3 import S3Store
from tests.contracts.stores import close, new_url, sha256, store_at
from tests.day import run
from tests.faults.arriving import Arriving, arriving
from tests.faults.moving import killed_on_its_way
from tests.live import LiveServer
from tests.unit.test_mirroring import everything

pytestmark = pytest.mark.grown_up
KILLS = 2
NAMES = (
    "ZHENGLIAN_DATA",
    "ZHENGLIAN_DATABASE_URL",
    "ZHENGLIAN_STORE_URL",
    "ZHENGLIAN_STORE_OLD_URL",
)


@pytest.mark.parametrize("backend", ["s3 over filesystem", "filesystem over s3"])
def test_it_moves_while_recordings_arrive_and_are_read(
    backend: str, own_server: LiveServer, tmp_path: Path
) -> None:
    chance, server = random.Random(20230915), own_server
    new, _, old = backend.partition(" over ")
    here, there = new_url(old, tmp_path / "old"), new_url(new, tmp_path / "new")
    source, target = store_at(here, tmp_path / "old"), store_at(there, tmp_path / "new")
    restarted(server, ZHENGLIAN_STORE_URL=here)
    with arriving(server, random.Random(430424)) as arrivals:
        for _ in range(KILLS):
            killed_on_its_way(chance, "--to", there, **settings(server))
            assert_whole(target)
        under_way, content = begun(arrivals, chance)
        restarted(server, ZHENGLIAN_STORE_URL=there, ZHENGLIAN_STORE_OLD_URL=here)
        code, said = run("move-store", "--check", **settings(server))
        assert (code, " 0 uploads under way" in said) == (1, False), said
        killed_on_its_way(chance, **settings(server))
        arrivals.bring(under_way, content)
        # It stayed where it began, and is read from there.
        assert sha256(content) in set(source.originals()) - set(target.originals())
        arrivals.read_all()
        until_nothing_is_pending(server)
        restarted(server, ZHENGLIAN_STORE_URL=there, ZHENGLIAN_STORE_OLD_URL="")
        assert everything(source).items() <= everything(target).items()
        put_out_of_reach(source)
    arrivals.read_all()
    assert set(target.originals()) == set(map(sha256, arrivals.sealed.values()))
    assert_whole(target)
    code, said = run("log-audit", **settings(server))
    assert (code, "WHOLE" in said) == (0, True), said
    close(source, target)


def begun(arrivals: Arriving, chance: random.Random) -> tuple[str, bytes]:
    """An upload of which half has arrived."""
    content = chance.randbytes(2_000_000)
    where = arrivals.begin(content)
    arrivals.send(where, 0, content[:1_000_000])
    return where, content


def until_nothing_is_pending(server: LiveServer) -> None:
    for _ in range(5):
        code, said = run("move-store", **settings(server))
        assert "✗" not in said, said
        if code == 0:
            return
    pytest.fail(said)


def put_out_of_reach(store: Store) -> None:
    if isinstance(store, S3Store):
        store.bucket.delete_all("")
    if isinstance(store, FilesystemStore):
        store.root.rename(store.root.with_name("gone"))


def restarted(server: LiveServer, **environ: str) -> None:
    server.environ.update(environ)
    server.restart()


def settings(server: LiveServer) -> dict[str, str]:
    return {name: server.environ[name] for name in NAMES if server.environ.get(name)}


def assert_whole(store: Store) -> None:
    """What has a name has its bytes."""
    names = list(store.originals())
    assert [sha256(b"".join(store.read(name))) for name in names] == names
