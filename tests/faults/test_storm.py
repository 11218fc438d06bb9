"""kill -9 of everything, again and again, under load: nothing is lost, and nothing doubled.

`scripts/soak` runs it in full (--rounds 200) and prints the counts; here it is short.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import databases, queues, s3_service
from tests.bureau import Bureau
from tests.faults.storm import Restartable, Storm, audited, losses, settle
from tests.live import LiveServer

_UPLOADERS = 3
_RECORDINGS = 4


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("rounds"))


def _raged(server: LiveServer, services: dict[str, Restartable], rounds: int, folder: Path) -> None:
    seed = int(os.environ.get("SOAK_SEED", "20230915"))
    storm = Storm(server, random.Random(seed))
    card, contents = (
        folder / "card",
        [random.Random(n).randbytes(3_000_000) for n in range(_RECORDINGS)],
    )
    card.mkdir()
    for number, content in enumerate(contents):
        (card / f"DCAM_HD012_00000{number}_20230915_100{number}00.mp4").write_bytes(content)
    server.start_brisk_worker()
    server.start()
    people = [
        threading.Thread(target=storm.upload_without_pause, args=(seed + number,))
        for number in range(_UPLOADERS)
    ]
    people.append(
        threading.Thread(target=storm.dock_without_pause, args=(card, folder / "dock-state"))
    )
    for person in people:
        person.start()
    try:
        storm.rage(rounds, services)
    finally:
        storm.over.set()
        for person in people:
            person.join(180)
    storm.dock_to_its_end(card, folder / "dock-state")
    settle(storm)
    found = losses(storm, contents)
    print(
        json.dumps({**dict(sorted(storm.done.items())), "losses": len(found)}, ensure_ascii=False)
    )
    assert found == []
    assert audited(server) == ""
    assert list(server.store.staged()) == []


@pytest.mark.one_box("the grown-up set-up has a storm of its own")
def test_a_box_whose_processes_are_killed_loses_nothing(
    own_server: LiveServer, rounds: int, tmp_path: Path
) -> None:
    _raged(own_server, {}, rounds, tmp_path)


@pytest.fixture
def own_services(bureau: Bureau) -> Iterator[tuple[LiveServer, dict[str, Restartable]]]:
    """A server over a PostgreSQL, a Redis and an S3 service of its own, to be killed."""
    cluster = databases.Cluster(synchronous_commit="on")
    redis, weed = queues.RedisServer(), s3_service.SeaweedServer()
    started: dict[str, Restartable] = {}
    try:
        for name, service in (("PostgreSQL", cluster), ("Redis", redis), ("S3", weed)):
            service.start()
            started[name] = service
        environ = {
            "ZHENGLIAN_DATABASE_URL": databases.dump_into(bureau.database, cluster.url),
            "ZHENGLIAN_QUEUE_URL": f"{redis.url}/0",
            "ZHENGLIAN_STORE_URL": f"s3://tests?endpoint={weed.url}",
        }
        server = LiveServer(bureau, environ)
        try:
            yield server, started
        finally:
            server.stop()
    finally:
        for service in (cluster, redis, weed):
            service.remove()


@pytest.mark.grown_up
def test_services_that_are_killed_and_come_back_lose_nothing(
    own_services: tuple[LiveServer, dict[str, Restartable]], rounds: int, tmp_path: Path
) -> None:
    server, services = own_services
    _raged(server, services, rounds, tmp_path)
