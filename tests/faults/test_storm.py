"""Whatever fails, again and again, under load: nothing is lost, and nothing doubled.

`scripts/soak` runs it in full (--rounds 200) and prints the counts; here each fault comes once.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import databases, queues, s3_service
from tests.bureau import Bureau
from tests.contracts.broken_way import BrokenWay
from tests.faults.clocked import ClockedFront, ClockedServer
from tests.faults.crowd import crowd, go_on_with_what_was_given_up, rounds, seed
from tests.faults.network import Way
from tests.faults.raging import Around, Rage, Restartable
from tests.faults.reckoning import reckon, settle
from tests.faults.storm import Storm
from tests.faults.told import Told

__all__ = ["rounds", "seed"]

_GIVEN_UP_AT_LAST = 6


def _raged(server: ClockedServer, around: Around, rounds: int, seed: int, folder: Path) -> None:
    # The same address, but for the port.
    scheme = server.url.partition(":")[0]
    storm = Storm(server, f"{scheme}://127.0.0.1:{around.ways['web'].port}", seed)
    server.start_brisk_worker()
    server.start()
    rage = Rage(storm, server, around)
    with crowd(storm, folder) as card:
        rage.rage(rounds)
    _give_more_up(storm, server)
    go_on_with_what_was_given_up(storm)
    card.to_its_end()
    settle(storm)
    rage.set_the_clock_right()
    settle(storm)
    reckon(storm, card.contents)
    assert list(server.store.staged()) == []


def _give_more_up(storm: Storm, server: ClockedServer) -> None:
    """Some just before the web process that receives them is killed, and some after it."""
    chance = random.Random(storm.chance.getrandbits(64))
    for place in range(_GIVEN_UP_AT_LAST):
        if place == _GIVEN_UP_AT_LAST // 2:
            server.kill_web()
            server.start_web()
        told = Told(chance.getrandbits(64), chance.randrange(1_000_000, 10_000_000))
        storm.begin(told, chance)
        storm.give_up(told, chance)
        storm.told.append(told)


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
    way_in: tuple[ClockedServer, Way], rounds: int, seed: int, tmp_path: Path
) -> None:
    server, way = way_in
    _raged(server, Around({"web": way}), rounds, seed, tmp_path)


@pytest.fixture
def own_services(bureau: Bureau, tmp_path: Path) -> Iterator[tuple[ClockedServer, Around]]:
    """Three web processes behind nginx, over a PostgreSQL, a Redis and an S3 service of their own,
    and the network between all of them.
    """
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
        server = ClockedFront(bureau, environ)
        stack.callback(server.stop)
        web = stack.enter_context(Way(server.port))
        yield server, Around({"web": web, **ways}, services, {"S3": broken})


# Where the other side is gone before the handshake, Python 3.11's ssl leaves a socket unclosed.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.grown_up
def test_services_that_fail_and_come_back_lose_nothing(
    own_services: tuple[ClockedServer, Around], rounds: int, seed: int, tmp_path: Path
) -> None:
    server, around = own_services
    _raged(server, around, rounds, seed, tmp_path)
