"""A disk that is full, or read-only, while recordings come in: refused in words, and nothing lost.

Once there is room again everything goes on by itself: no process is restarted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.storage.filesystem import STEP_BYTES
from tests.api.tus import UPLOADS
from tests.bureau import Bureau
from tests.faults.people import People
from tests.faults.server_within import ServerWithin
from tests.faults.small_disk import MIB, SmallDisk, place_for_all, small_disk
from tests.faults.test_kill import until
from tests.live import LiveServer

__all__ = ["place_for_all", "small_disk"]

_RECORDS_A_PAGE = 4096 // 64


@pytest.mark.one_box("on S3 the disk is the service's")
def test_a_store_whose_disk_is_full_or_read_only_goes_on_once_it_is_not(
    own_server: LiveServer, small_disk: SmallDisk
) -> None:
    own_server.environ["ZHENGLIAN_STORE_URL"] = (small_disk.path / "store").as_uri()
    own_server.start_brisk_worker()
    own_server.start()
    people = People(own_server)
    people.begin(100_000, 100_000)
    half, last = people.begin(3 * MIB, MIB), people.begin(MIB, MIB - 1)
    in_pieces = people.begin(10_000)
    for _ in range(_RECORDS_A_PAGE):
        assert people.send(in_pieces, 10).status == 204
    of_no_length = people.begin(5000, deferred=True)
    with small_disk.full():
        refused = people.assert_refused_for_lack_of_room
        refused(people.tus.ask("POST", UPLOADS, {"Upload-Length": "9"}))
        refused(people.send(of_no_length, 5000))
        refused(people.send(in_pieces, 10))  # its journal would begin another page
        # Whose room was taken at the beginning does not notice.
        assert people.send(half, MIB).status == 204
        assert people.send(last, 1).status == 204
        assert people.tus.state(last.where, 1)["state"] == "sealing"
        assert "The storage is full" in people.unready()["storage"]
    until(lambda: people.tus.state(last.where, 1)["state"] == "sealed", 10)
    assert people.unready() == {}
    _meanwhile_read_only(people, small_disk)
    people.finish_all()
    people.assert_nothing_is_lost()
    assert small_disk.drafts() == []


def _meanwhile_read_only(people: People, disk: SmallDisk) -> None:
    last = people.begin(MIB, MIB - 1)
    with disk.read_only():
        for answer in (
            people.tus.ask("POST", UPLOADS, {"Upload-Length": "9"}),
            people.send(last, 1),
        ):
            assert (answer.status, answer.code) == (503, "storage_unavailable")
            assert answer.headers["Retry-After"]
            assert "Read-only" in answer.json["title"]
        assert "Read-only" in people.unready()["storage"]


@pytest.fixture
def server_within(bureau: Bureau, small_disk: SmallDisk) -> Iterator[ServerWithin]:
    server = ServerWithin(bureau, small_disk)
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.one_box("PostgreSQL has its own disk")
@pytest.mark.parametrize("names", [True, False], ids=["nothing fits", "only names fit"])
def test_a_box_whose_one_disk_is_full_goes_on_once_it_is_not(
    server_within: ServerWithin, small_disk: SmallDisk, tmp_path: Path, names: bool
) -> None:
    server_within.start_brisk_worker()
    server_within.start()
    people = People(server_within)
    people.begin(100_000, 100_000)
    half, last = people.begin(3 * MIB, MIB), people.begin(MIB, MIB - 1)
    with small_disk.full(names=names):
        refused = people.assert_refused_for_lack_of_room
        refused(people.tus.ask("POST", UPLOADS, {"Upload-Length": str(STEP_BYTES)}))
        refused(people.send(half, MIB))
        refused(people.send(last, 1))
        assert "disk is full" in people.unready()["database"]
        assert people.tus.ask("HEAD", half.where).offset == 2 * MIB
        time.sleep(1)  # the worker tries, in vain
    people.finish_all()
    assert people.unready() == {}
    assert small_disk.drafts() == []
    server_within.stop()
    server_within.take_out(tmp_path / "afterwards")
    people.assert_nothing_is_lost()
