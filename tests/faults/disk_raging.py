"""What a storm over disks does: fill them, and have them fail, at moments that a seed chooses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from tests.databases import Cluster
from tests.faults.mounting import Mounted
from tests.faults.raging import dealt
from tests.faults.server_within import ServerWithin
from tests.faults.small_disk import FailingDisk
from tests.faults.storm import Storm

Fault = Callable[[], None]


class DiskRage:
    """The faults of one storm by name. One thing goes wrong at a time."""

    def __init__(self, storm: Storm, kinds: Mapping[str, Fault]) -> None:
        self._storm, self._kinds = storm, kinds

    def rage(self, rounds: int) -> None:
        """So many faults; 0 is each once. Afterwards everything runs, and has room."""
        for kind in dealt(self._storm.chance, list(self._kinds), rounds):
            time.sleep(self._storm.chance.uniform(0.3, 1.5))
            self._kinds[kind]()
            self._storm.done[kind] += 1
            self._storm.done["worker began in vain"] += self._storm.server.start_what_has_ended()


def filling(storm: Storm, disk: Mounted, seconds: float) -> Fault:
    """No room for up to so long."""

    def fill() -> None:
        with disk.full():
            time.sleep(storm.chance.uniform(0, seconds))

    return fill


def failing(storm: Storm, server: ServerWithin, disk: FailingDisk) -> Fault:
    """The disk of a whole box fails; somebody puts it right and starts everything again."""

    def fail() -> None:
        disk.fail()
        time.sleep(storm.chance.uniform(0, 2))
        server.kill_web()
        server.kill_worker()
        disk.mend()
        server.start_brisk_worker()
        server.start_web()

    return fail


def failing_under(storm: Storm, cluster: Cluster, disk: FailingDisk) -> Fault:
    """The disk of a database fails; somebody puts it right and starts the database again."""

    def fail() -> None:
        disk.fail()
        time.sleep(storm.chance.uniform(0, 2))
        cluster.stop(wait=False)
        disk.mend()
        cluster.revive()

    return fail


def filling_under(storm: Storm, cluster: Cluster, disk: Mounted, seconds: float) -> Fault:
    """No room for a database for up to so long; where it ended over that, it is started again."""
    fill = filling(storm, disk, seconds)

    def fill_and_revive() -> None:
        fill()
        storm.done["PostgreSQL ended for want of room"] += cluster.revive()

    return fill_and_revive
