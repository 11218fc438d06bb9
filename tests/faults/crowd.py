"""The crowd of a storm: three who upload and a dock, without a pause, until it is over."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.giving_up import longest_wait
from tests.faults.storm import Storm

_UPLOADERS = 3
_RECORDINGS = 4
# Longer than any of them waits for an answer.
_TO_THE_END_SECONDS = 400


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often something is to fail; 0 in the short form."""
    return int(request.config.getoption("rounds"))


@pytest.fixture
def seed() -> int:
    """What chooses the moments."""
    return int(os.environ.get("SOAK_SEED", "20230915"))


@dataclass
class Card:
    """A recorder's card in the dock, and what is on it."""

    storm: Storm
    folder: Path
    contents: list[bytes]

    @property
    def state(self) -> Path:
        return self.folder.with_name("dock-state")

    def to_its_end(self) -> None:
        self.storm.dock_to_its_end(self.folder, self.state)


def _card(storm: Storm, folder: Path) -> Card:
    contents = [random.Random(n).randbytes(3_000_000) for n in range(_RECORDINGS)]
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"DCAM_HD012_00000{number}_20230915_100{number}00.mp4").write_bytes(content)
    return Card(storm, folder, contents)


@contextmanager
def crowd(storm: Storm, folder: Path) -> Iterator[Card]:
    """Inside the block they bring in; at its end each finishes what is in hand but the dock."""
    card = _card(storm, folder / "card")
    people = [
        threading.Thread(target=storm.upload_without_pause, args=(storm.seed + number,))
        for number in range(_UPLOADERS)
    ]
    people.append(threading.Thread(target=storm.dock_without_pause, args=(card.folder, card.state)))
    for person in people:
        person.start()
    try:
        yield card
    finally:
        storm.over.set()
        for person in people:
            person.join(_TO_THE_END_SECONDS)
        storm.wrong += [f"{person.name} has not ended" for person in people if person.is_alive()]


def go_on_with_what_was_given_up(storm: Storm) -> None:
    """Bring it to its end; how long the last one had to wait for a lease is among the counts."""
    chance = random.Random(storm.chance.getrandbits(64))
    waited = longest_wait(storm.tus(), storm.given_up)
    storm.done["longest wait to resume, s"] = round(waited, 1)
    for given in storm.given_up:
        storm.bring_to_its_end(given.told, chance)
