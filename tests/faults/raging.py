"""What a storm does: kills, cuts of the network, a store out of its mind, a clock set back.

One thing goes wrong at a time, but for the clock,
which stays behind while others do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.contracts.broken_way import BrokenWay
from tests.faults.clocked import ClockedServer
from tests.faults.network import Cut, Way
from tests.faults.setting_back import Setback
from tests.faults.storm import Storm
from tests.faults.told import Told

# Of the longest storms: longer than any patience of TCP, PostgreSQL, Redis or the S3 client.
_LONGEST_CUT_SECONDS = 120
_LONG_CUTS = 2


class Restartable(Protocol):
    """A service that can be killed and started again at the same address."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass
class Around:
    """What is around a server: who speaks to whom over what, by name."""

    ways: Mapping[str, Way]
    services: Mapping[str, Restartable] = field(default_factory=dict)
    broken: Mapping[str, BrokenWay] = field(default_factory=dict)


def dealt(chance: random.Random, kinds: Sequence[str], rounds: int) -> Iterator[str]:
    """So many kinds, by chance; 0 is each once. Each comes once before any comes again."""
    for place in range(rounds or len(kinds)):
        if place % len(kinds) == 0:
            deck = chance.sample(kinds, len(kinds))
        yield deck.pop()


class Rage:
    """One storm's faults, by `storm.chance`."""

    def __init__(self, storm: Storm, server: ClockedServer, around: Around) -> None:
        self._storm, self._server, self._around = storm, server, around
        self._chance = storm.chance
        self._setback = Setback(server, storm.chance, storm.done)
        self._kinds: dict[str, Callable[[], None]] = {
            "web killed": self._kill_web,
            "worker killed": self._kill_worker,
            "clock set back while all run": self._setback.while_all_run,
            "clock set back at a restart": self._setback.at_a_restart,
            **{f"{name} killed": self._killing(each) for name, each in around.services.items()},
            **{
                f"network to {name} cut {how}": self._cutting(way, how)
                for name, way in around.ways.items()
                for how in Cut
            },
            **{f"{name} misbehaved": self._misbehaving(b) for name, b in around.broken.items()},
        }

    def rage(self, rounds: int) -> None:
        """So many faults; 0 is one of each kind. Afterwards everything runs, and is connected.

        The clock stays as it is: nothing may have to wait until it is right.
        """
        rounds = rounds or len(self._kinds)
        long_cuts = self._long_cuts(rounds)
        for number, kind in enumerate(dealt(self._chance, list(self._kinds), rounds)):
            time.sleep(self._chance.uniform(0.1, 0.7))
            if number in long_cuts:
                self._cut_for_minutes(long_cuts[number], min(_LONGEST_CUT_SECONDS, 2 * rounds))
            self._kinds[kind]()
            self._storm.done[kind] += 1
            self._storm.done["worker began in vain"] += self._server.start_what_has_ended()
            self._storm.wrong += self._setback.head_ran_back()
        for name, way in self._around.broken.items():
            self._storm.done[f"requests to {name} that went wrong"] = way.moody

    def set_the_clock_right(self) -> None:
        """And have the log sign one more recording by it."""
        chance = random.Random(self._chance.getrandbits(64))
        told = Told(chance.getrandbits(64), chance.randrange(1, 10_000))
        self._setback.forward(lambda: self._storm.bring_in(told, chance))
        self._storm.wrong += self._setback.head_ran_back()

    def _long_cuts(self, rounds: int) -> dict[int, str]:
        """The way that is cut for long before a round; a short storm has no time for any."""
        if rounds < 20:
            return {}
        names = sorted(self._around.ways) * _LONG_CUTS
        places = self._chance.sample(range(rounds), _LONG_CUTS)
        return dict(zip(places, self._chance.sample(names, _LONG_CUTS), strict=True))

    def _cut_for_minutes(self, name: str, seconds: float) -> None:
        with self._around.ways[name].cut(Cut.SILENT):
            time.sleep(seconds)
        self._storm.done[f"network to {name} cut for {seconds:.0f} s"] += 1

    def _kill_web(self) -> None:
        self._server.kill_web()
        self._server.start_web()

    def _kill_worker(self) -> None:
        self._server.kill_worker()
        self._server.start_brisk_worker()

    def _killing(self, service: Restartable) -> Callable[[], None]:
        def kill() -> None:
            service.stop()
            time.sleep(self._chance.uniform(0, 2))
            service.start()

        return kill

    def _cutting(self, way: Way, how: Cut) -> Callable[[], None]:
        def cut() -> None:
            with way.cut(how):
                time.sleep(self._chance.uniform(0.3, 2))

        return cut

    def _misbehaving(self, broken: BrokenWay) -> Callable[[], None]:
        def misbehave() -> None:
            with broken.misbehaving(random.Random(self._chance.getrandbits(64))):
                time.sleep(self._chance.uniform(1, 3))

        return misbehave
