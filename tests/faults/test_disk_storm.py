"""Disks that fill up and fail, again and again, under load: nothing is lost, and nothing doubled.

`scripts/soak` runs it in full (--rounds 200) and prints the counts; here each fault comes once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from scripts.benchmarks.seaweed import BUCKET
from tests import queues
from tests.bureau import Bureau
from tests.faults.crowd import Card, crowd, go_on_with_what_was_given_up, rounds, seed
from tests.faults.disk_raging import DiskRage, Fault, failing, failing_under, filling, filling_under
from tests.faults.mounting import CannotMount, no_disk
from tests.faults.own_services import cluster_on, in_cluster, weed_on
from tests.faults.reckoning import reckon, settle
from tests.faults.server_within import ServerWithin
from tests.faults.small_disk import FailingDisk, SmallDisk, place_for_all, small_disk
from tests.faults.storm import OR_ONCE_THERE_IS_ROOM, Storm
from tests.faults.test_kill import state_of, told, until
from tests.live import LiveServer

__all__ = ["place_for_all", "rounds", "seed", "small_disk"]

# Of a sparse file: a long storm brings some of it in.
_LARGE = 24 * 1024**3


@pytest.fixture
def new_disk(place_for_all: Path) -> Iterator[Callable[[str], FailingDisk]]:
    """Call it for a large disk of that name."""
    with ExitStack() as stack:

        def make(name: str) -> FailingDisk:
            try:
                return stack.enter_context(FailingDisk(place_for_all / name, _LARGE))
            except CannotMount as refused:
                no_disk(refused)

        yield make


def raged(storm: Storm, kinds: Mapping[str, Fault], rounds: int, folder: Path) -> Card:
    """All that people were promised is to be there afterwards."""
    storm.server.start_brisk_worker()
    storm.server.start()
    with crowd(storm, folder) as card:
        DiskRage(storm, kinds).rage(rounds)
    go_on_with_what_was_given_up(storm)
    card.to_its_end()
    settle(storm)
    return card


@pytest.fixture
def server_within(
    bureau: Bureau, new_disk: Callable[[str], FailingDisk]
) -> Iterator[tuple[ServerWithin, FailingDisk]]:
    disk = new_disk("box")
    server = ServerWithin(bureau, disk)
    try:
        yield server, disk
    finally:
        server.stop()


@pytest.mark.one_box("the grown-up set-up has a storm of its own")
def test_a_box_whose_one_disk_fills_up_and_fails_loses_nothing(
    server_within: tuple[ServerWithin, FailingDisk], rounds: int, seed: int, tmp_path: Path
) -> None:
    server, disk = server_within
    storm = Storm(server, server.url, seed, try_again=OR_ONCE_THERE_IS_ROOM)
    kinds = {
        "disk full for a moment": filling(storm, disk, 0.2),
        "disk full": filling(storm, disk, 3),
        "disk failed": failing(storm, server, disk),
    }
    card = raged(storm, kinds, rounds, tmp_path)
    staging = disk.path / "data" / "store" / "staging"
    with suppress(AssertionError):
        until(lambda: not list(staging.iterdir()))
    server.stop()
    server.take_out(tmp_path / "afterwards")
    reckon(storm, card.contents)
    kept = {path.name: sorted(path.iterdir()) for path in (server.data / "store/staging").iterdir()}
    assert kept == {}, f"{[state_of(server, name) for name in kept]}\n{told(server)}"


@pytest.mark.grown_up
def test_services_whose_disks_fill_up_and_fail_lose_nothing(
    bureau: Bureau,
    new_disk: Callable[[str], FailingDisk],
    small_disk: SmallDisk,
    rounds: int,
    seed: int,
    tmp_path: Path,
) -> None:
    rows, objects, queue = new_disk("rows"), new_disk("objects"), new_disk("queue")
    (bureau.data / "tmp").symlink_to(small_disk.path)
    with ExitStack() as stack:
        cluster = stack.enter_context(cluster_on(rows))
        weed = stack.enter_context(weed_on(objects))
        redis = queues.RedisServer(queue.path)
        stack.callback(redis.stop)
        redis.start()
        environ = {
            **in_cluster(bureau, cluster),
            "ZHENGLIAN_QUEUE_URL": f"{redis.url}/0",
            "ZHENGLIAN_STORE_URL": f"s3://{BUCKET}?endpoint={weed.url}",
        }
        server = LiveServer(bureau, environ)
        stack.callback(server.stop)
        storm = Storm(server, server.url, seed, try_again=OR_ONCE_THERE_IS_ROOM)
        kinds = {
            "PostgreSQL's disk full": filling_under(storm, cluster, rows, 3),
            "PostgreSQL's disk failed": failing_under(storm, cluster, rows),
            "S3's disk full": filling(storm, objects, 3),
            "Redis's disk full": filling(storm, queue, 3),
            "disk under data/tmp full": filling(storm, small_disk, 3),
        }
        card = raged(storm, kinds, rounds, tmp_path)
        reckon(storm, card.contents)
        until(lambda: not list(server.store.staged()))
