"""Whoever dies with a lease keeps nobody waiting for longer than the lease's own time.

`scripts/soak leases` kills more often. The leases of uploads are timed in the storms.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator

import pytest

from evidence.custody.sequencer import LEASE
from tests.bureau import Bureau
from tests.faults.crowd import rounds, seed
from tests.faults.people import People
from tests.faults.test_kill import rows, until
from tests.live import BRISK_WORKER, LiveServer

__all__ = ["rounds", "seed"]

# For whoever takes over: to look, to put the tiles, and to sign, on a busy machine.
_MARGIN_SECONDS = 5


class ManyWorkers(LiveServer):
    """Any number of workers, one of which signs."""

    def begin_worker(self, number: int) -> None:
        """Return once it is at work."""
        name = f"worker{number}"
        self._start(name, "-c", BRISK_WORKER)
        until(lambda: "a worker begins" in self.said(name))

    def kill_signer(self) -> None:
        """The worker that holds the log's lease, as kill -9 would."""
        ((holder,),) = rows(self, "SELECT holder FROM leases WHERE name = 'sequencer'")
        by_pid = {str(process.pid): name for name, process in self._running.items()}
        self.kill_process(by_pid[holder.rpartition(":")[2]])


def _unsigned(server: LiveServer) -> int:
    ((count,),) = rows(
        server,
        "SELECT count(*) FROM custody_events"
        " WHERE leaf_index IS NULL OR leaf_index >= (SELECT max(size) FROM log_heads)",
    )
    return int(count)


@pytest.fixture
def server(bureau: Bureau) -> Iterator[ManyWorkers]:
    server = ManyWorkers(bureau)
    try:
        yield server
    finally:
        server.stop()


def test_the_right_to_sign_passes_from_a_killed_worker_to_another_within_its_time(
    server: ManyWorkers, rounds: int, seed: int
) -> None:
    chance = random.Random(seed)
    server.start_web()
    server.begin_worker(0)
    people = People(server)
    waits = []
    for number in range(1 + rounds // 20):
        people.begin(1000, 1000)
        until(lambda: _unsigned(server) == 0)
        server.begin_worker(number + 1)
        # Somewhere in the life of the lease, which is renewed every few seconds.
        time.sleep(chance.uniform(0, LEASE.total_seconds() / 2))
        server.kill_signer()
        killed = time.monotonic()
        people.begin(1000, 1000)
        until(lambda: _unsigned(server) == 0)
        waits.append(time.monotonic() - killed)
    said = {"seed": seed, "signers killed": len(waits), "longest wait, s": round(max(waits), 1)}
    print(json.dumps(said))
    assert max(waits) <= LEASE.total_seconds() + _MARGIN_SECONDS
    people.finish_all()
    people.assert_nothing_is_lost()
