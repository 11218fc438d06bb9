"""An S3 service that has no room, and a web process that has none for what is on its way there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.tus import UPLOADS
from tests.contracts.broken_way import BrokenWay
from tests.faults.own_services import weed_on
from tests.faults.people import People
from tests.faults.small_disk import MIB, SmallDisk, place_for_all, small_disk
from tests.faults.test_kill import rows, until
from tests.live import LiveServer

__all__ = ["place_for_all", "small_disk"]

pytestmark = pytest.mark.grown_up
PHOTO = Path(__file__).resolve().parents[1] / "golden" / "media" / "DSCN0010.jpg"
FULL = [
    (507, ""),
    (507, "XMinioStorageFull"),
    (400, "XMinioAdminBucketQuotaExceeded"),
    (403, "QuotaExceeded"),
]


def test_a_service_whose_disk_is_full_is_asked_again_until_it_has_room(
    own_server: LiveServer, small_disk: SmallDisk
) -> None:
    """SeaweedFS has no word for it: "an internal error, please try again"."""
    with weed_on(small_disk) as weed:
        own_server.environ["ZHENGLIAN_STORE_URL"] = f"s3://tests?endpoint={weed.url}"
        own_server.start_brisk_worker()
        own_server.start()
        people = People(own_server)
        people.begin(100_000, 100_000)
        half, last = people.begin(30 * MIB, MIB), people.begin(MIB, MIB - 1)
        with small_disk.full():
            for answer in (people.send(half, 9 * MIB), people.send(last, 1)):
                people.assert_told_to_try_again(answer)
            assert people.tus.ask("HEAD", half.where).offset == MIB
        people.finish_all()
        people.assert_nothing_is_lost()
        own_server.stop()


def test_a_service_that_says_that_it_is_full_is_believed(own_server: LiveServer) -> None:
    place = own_server.environ["ZHENGLIAN_STORE_URL"]
    endpoint = place.partition("endpoint=")[2]
    with BrokenWay(endpoint) as way:
        own_server.environ["ZHENGLIAN_STORE_URL"] = place.replace(endpoint, way.url)
        own_server.start_brisk_worker()
        own_server.start()
        people = People(own_server)
        half, last = people.begin(3 * MIB, MIB), people.begin(MIB, MIB - 1)
        for refusal in FULL:
            with way.full(*refusal):
                refused = people.assert_refused_for_lack_of_room
                refused(people.tus.ask("POST", UPLOADS, {"Upload-Length": "9"}))
                refused(people.send(half, MIB))
                refused(people.send(last, 1))
        people.finish_all()
        people.assert_nothing_is_lost()
        own_server.stop()


def test_a_full_disk_under_what_is_on_its_way_is_told_apart_from_a_full_store(
    own_server: LiveServer, small_disk: SmallDisk
) -> None:
    (own_server.data / "tmp").symlink_to(small_disk.path)
    own_server.start_web()
    people = People(own_server)
    photograph = PHOTO.read_bytes()  # which the tools get as a file
    people.begin(len(photograph), len(photograph), given=photograph)
    half = people.begin(3 * MIB, MIB + 5)
    with small_disk.full():
        # What is kept back until it is known to be right. The first piece of the one finds no
        # room, the other's not even for where it stands.
        for told in (people.begin(MIB), half, half):
            answer = people.send(told, MIB, vouched=True)
            people.assert_refused_for_lack_of_room(answer)
            assert "data/tmp" in answer.json["title"]
        assert people.send(half, MIB).status == 204, "there is memory for it"
        own_server.start_brisk_worker()
        until(lambda: _job_failed(own_server, "StorageFull"))
        assert _unread(own_server)
    until(lambda: not _unread(own_server))
    people.finish_all()
    people.assert_nothing_is_lost()


def _job_failed(server: LiveServer, error: str) -> bool:
    troubles = rows(server, "SELECT problem FROM job_troubles WHERE job = 'read_media'")
    return any(problem.startswith(error) for (problem,) in troubles)


def _unread(server: LiveServer) -> bool:
    return bool(rows(server, "SELECT id FROM exhibits WHERE media_state = 'PENDING'"))
