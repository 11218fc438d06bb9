"""Whatever fails, again and again, under load: nothing is lost, and nothing doubled.

`scripts/soak` runs it in full (--rounds 200) and prints the counts; here each fault comes once.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import databases, queues, s3_service
from tests.bureau import Bureau
from tests.contracts.broken_way import BrokenWay
from tests.faults.clocked import ClockedServer
from tests.faults.giving_up import longest_wait
from tests.faults.network import Way
from tests.faults.raging import Around, Rage, Restartable, storm_over
from tests.faults.reckoning import audited, losses, settle
from tests.faults.storm import Storm
from tests.faults.told import Told

_UPLOADERS = 3
_RECORDINGS = 4
_GIVEN_UP_AT_LAST = 6


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("rounds"))


def _card(folder: Path) -> tuple[Path, list[bytes]]:
    """A recorder's card, and what is on it."""
    card, contents = (
        folder / "card",
        [random.Random(n).randbytes(3_000_000) for n in range(_RECORDINGS)],
    )
    card.mkdir()
    for number, content in enumerate(contents):
        (card / f"DCAM_HD012_00000{number}_20230915_100{number}00.mp4").write_bytes(content)
    return card, contents


def _raged(server: ClockedServer, around: Around, rounds: int, folder: Path) -> None:
    seed = int(os.environ.get("SOAK_SEED", "20230915"))
    url = f"http://127.0.0.1:{around.ways['web'].port}"
    storm = Storm(server, url, random.Random(seed))
    card, contents = _card(folder)
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
    rage = Rage(storm, server, around)
    try:
        rage.rage(rounds)
    finally:
        storm_over(storm, people)
    waited = _resumed(storm, server)
    storm.dock_to_its_end(card, folder / "dock-state")
    settle(storm)
    rage.set_the_clock_right()
    settle(storm)
    found = losses(storm, contents)
    said = {**dict(sorted(storm.done.items())), "longest wait to resume, s": round(waited, 1)}
    print(json.dumps({**said, "losses": len(found)}, ensure_ascii=False))
    assert found == []
    assert audited(server) == ""
    assert list(server.store.staged()) == []


def _resumed(storm: Storm, server: ClockedServer) -> float:
    """The longest that anybody waited for an upload that was given up in the middle.

    Some are given up just before the web process that receives them is killed, and some now.
    """
    chance = random.Random(storm.chance.getrandbits(64))
    for place in range(_GIVEN_UP_AT_LAST):
        if place == _GIVEN_UP_AT_LAST // 2:
            server.kill_web()
            server.start_web()
        told = Told(chance.getrandbits(64), chance.randrange(1_000_000, 10_000_000))
        storm.begin(told, chance)
        storm.give_up(told, chance)
        storm.told.append(told)
    waited = longest_wait(storm.tus(), storm.given_up)
    for given in storm.given_up:
        storm.bring_to_its_end(given.told, chance)
    return waited


@pytest.fixture
def way_in(bureau: Bureau) -> Iterator[tuple[ClockedServer, Way]]:
    """A server of one's own and the network to it."""
    server = ClockedServer(bureau)
    try:
        with Way(server.port) as way:
            yield server, way
    finally:
        server.stop()


@pytest.mark.one_box("the grown-up set-up has a storm of its own")
def test_a_box_whose_processes_network_and_clock_fail_loses_nothing(
    way_in: tuple[ClockedServer, Way], rounds: int, tmp_path: Path
) -> None:
    server, way = way_in
    _raged(server, Around({"web": way}), rounds, tmp_path)


@pytest.fixture
def own_services(bureau: Bureau, tmp_path: Path) -> Iterator[tuple[ClockedServer, Around]]:
    """A server over a PostgreSQL, a Redis and an S3 service of its own, and the network there."""
    cluster = databases.Cluster(synchronous_commit="on")
    redis, weed = queues.RedisServer(), s3_service.SeaweedServer()
    services: dict[str, Restartable] = {"PostgreSQL": cluster, "Redis": redis, "S3": weed}
    with ExitStack() as stack:
        for service in (cluster, redis, weed):
            stack.callback(service.remove)
            service.start()
        # What the service itself says of an object that it does not give out any more.
        stack.callback(shutil.copy, weed.folder / "log", tmp_path / "s3.log")
        broken = stack.enter_context(BrokenWay(weed.url))
        ways = {
            "PostgreSQL": Way(cluster.port),
            "Redis": Way(redis.port),
            "S3": Way(broken.port),
        }
        for way in ways.values():
            stack.enter_context(way)
        database = databases.dump_into(bureau.database, cluster.url)
        environ = {
            "ZHENGLIAN_DATABASE_URL": database.replace(
                f":{cluster.port}/", f":{ways['PostgreSQL'].port}/"
            ),
            "ZHENGLIAN_QUEUE_URL": f"redis://127.0.0.1:{ways['Redis'].port}/0",
            "ZHENGLIAN_STORE_URL": f"s3://tests?endpoint=http://127.0.0.1:{ways['S3'].port}",
        }
        server = ClockedServer(bureau, environ)
        stack.callback(server.stop)
        web = stack.enter_context(Way(server.port))
        yield server, Around({"web": web, **ways}, services, {"S3": broken})


@pytest.mark.grown_up
def test_services_that_fail_and_come_back_lose_nothing(
    own_services: tuple[ClockedServer, Around], rounds: int, tmp_path: Path
) -> None:
    server, around = own_services
    _raged(server, around, rounds, tmp_path)
