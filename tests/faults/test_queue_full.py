"""A Redis whose disk is full takes no job, and gives none out: both are said, and done later."""

from __future__ import annotations

import pytest

from server.sealing import AT_ONCE_BYTES
from tests import queues
from tests.faults.people import People
from tests.faults.small_disk import MIB, SmallDisk, place_for_all, small_disk
from tests.faults.test_kill import until
from tests.live import LiveServer

__all__ = ["place_for_all", "small_disk"]


@pytest.mark.grown_up
def test_a_queue_without_room_is_not_ready_and_its_jobs_are_found_again(
    own_server: LiveServer, small_disk: SmallDisk
) -> None:
    redis = queues.RedisServer(small_disk.path)
    redis.start()
    try:
        own_server.environ["ZHENGLIAN_QUEUE_URL"] = f"{redis.url}/0"
        own_server.environ["ZHENGLIAN_STORE_URL"] = (own_server.data / "store").as_uri()
        own_server.start_brisk_worker()
        own_server.start()
        people = People(own_server)
        for_the_worker = people.begin(AT_ONCE_BYTES + MIB, AT_ONCE_BYTES)
        # So that all of it has to be read back, which is a job.
        own_server.kill_web()
        own_server.start_web()
        with small_disk.full():
            redis.write_until_its_disk_is_full()
            assert people.send(for_the_worker, MIB).status == 204
            assert "free space on its disk" in people.unready()["queue"]
            assert people.tus.state(for_the_worker.where, 1)["state"] == "sealing"
            until(lambda: "MISCONF" in own_server.said("worker"))
            assert "Traceback" not in own_server.said("worker")
        people.finish_all()
        assert people.unready() == {}
        people.assert_nothing_is_lost()
        own_server.stop()
    finally:
        redis.stop()
