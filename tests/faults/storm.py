"""People who upload without a pause, while whatever serves them is killed and started again.

What they were told is written down as they were told it; afterwards all of it must be so.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from tests.api.tus import UPLOADS, Answer, Tus, metadata
from tests.faults.giving_up import GivenUp, given_up
from tests.faults.told import Told
from tests.live import ROOT, LiveServer

# A bare 500 is none of them: whatever fails, whoever asks is told what to do.
_TRY_AGAIN = frozenset({409, 423, 502, 503, 504})
# Also where a disk is full, for as long as it is.
OR_ONCE_THERE_IS_ROOM = _TRY_AGAIN | {507}
_LARGEST = 10 * 1024 * 1024
# Longer than any cut of the network, and than what TCP waits after one before it tries again.
_PATIENCE_SECONDS = 300
_WORTH_GIVING_UP = 100_000
_GIVEN_UP_SHARE = 0.15


@dataclass
class Storm:
    """Uploads to `server`, reached at `url`, and what was done to it: counts by name."""

    server: LiveServer
    url: str
    seed: int
    told: list[Told] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    try_again: Set[int] = _TRY_AGAIN
    given_up: list[GivenUp] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.done["seed"] = self.seed

    def upload_without_pause(self, seed: int) -> None:
        """Bring recordings in until the storm is over; the last one is brought to its end."""
        chance = random.Random(seed)
        while not self.over.is_set():
            size = int(chance.choice([1, 5000, 300_000, _LARGEST]) * chance.random()) + 1
            told = Told(chance.getrandbits(64), size)
            gives_up = size > _WORTH_GIVING_UP and chance.random() < _GIVEN_UP_SHARE
            try:
                self.begin(told, chance)
                if gives_up:
                    self.give_up(told, chance)
                else:
                    self.bring_to_its_end(told, chance)
            except AssertionError as error:
                self.wrong.append(str(error))
            self.told.append(told)
            self.done["uploads"] += 1

    def tus(self) -> Tus:
        return Tus(self.server, url=self.url)

    def begin(self, told: Told, chance: random.Random) -> None:
        """Have an upload made for it."""
        told.sha256 = hashlib.sha256(told.content()).hexdigest()
        claims = metadata(
            filename=f"{told.sha256[:8]}.mp4",
            sha256=told.sha256,
            event_id=str(UUID(bytes=chance.randbytes(16), version=4)),
        )
        asked = {"Upload-Length": str(told.size), "Upload-Metadata": claims}
        created = self.again(lambda: self.tus().ask("POST", UPLOADS, asked))
        assert created.status == 201, created.body
        told.where = created.headers["Location"]

    def bring_in(self, told: Told, chance: random.Random) -> None:
        """From its first byte to its last."""
        self.begin(told, chance)
        self.bring_to_its_end(told, chance)
        self.told.append(told)

    def give_up(self, told: Told, chance: random.Random) -> None:
        """Begin to send, and stop in the middle; some hang up, some leave the connection open."""
        with self._connections():
            self.given_up.append(given_up(self.tus(), told, stays=chance.random() < 0.5))
            self.done["given up in the middle"] += 1
            return
        self.bring_to_its_end(told, chance)

    def bring_to_its_end(self, told: Told, chance: random.Random) -> None:
        """Send what is missing, in pieces, and ask after each that failed how far it has come."""
        tus, content = self.tus(), told.content()
        while told.acknowledged < told.size:
            end = told.acknowledged + chance.randrange(1, _LARGEST)
            piece = content[told.acknowledged : end]
            sent = self.attempt(lambda piece=piece: tus.send(told.where, told.acknowledged, piece))
            if sent is not None and sent.status == 204:
                told.acknowledged = sent.offset
                continue
            at = self.again(lambda: tus.ask("HEAD", told.where))
            assert at.status == 200, at.status
            assert at.offset >= told.acknowledged, "an acknowledged byte is gone"
            told.acknowledged = at.offset

    @contextmanager
    def _connections(self) -> Iterator[None]:
        """Count one that is lost, and go on behind the block."""
        try:
            yield
        except (OSError, http.client.HTTPException, AttributeError):
            # http.client forgets its socket where a refusal came while it sent.
            self.done["connections lost"] += 1

    def attempt(self, ask: Callable[[], Answer]) -> Answer | None:
        with self._connections():
            return ask()
        return None

    def again(self, ask: Callable[[], Answer], seconds: float = _PATIENCE_SECONDS) -> Answer:
        """The answer, asked for until there is one that is not 'try again'."""
        until = time.monotonic() + seconds
        while True:
            answer = self.attempt(ask)
            if answer is not None and answer.status not in self.try_again:
                return answer
            if answer is not None:
                self.done[f"answered {answer.status}"] += 1
            assert time.monotonic() < until, f"no answer for {seconds} s"
            time.sleep(0.1)

    def dock_without_pause(self, card: Path, state: Path) -> None:
        """scripts/dock on a card, killed at random, until the storm is over; then once whole."""
        command = self._dock(card, state)
        while not self.over.is_set():
            dock = subprocess.Popen(
                command,
                env=self.server.environ,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(self.chance.uniform(0.5, 3))
            if dock.poll() is None:
                dock.kill()
                self.done["dock killed"] += 1
            dock.wait()

    def dock_to_its_end(self, card: Path, state: Path) -> None:
        """Until it says that every recording is sealed."""
        until = time.monotonic() + 120
        while True:
            done = subprocess.run(
                self._dock(card, state),
                env=self.server.environ,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                return
            assert time.monotonic() < until, done.stdout + done.stderr

    def _dock(self, card: Path, state: Path) -> list[str]:
        return [
            sys.executable, str(ROOT / "scripts" / "dock"), str(card), "--server", self.url,
            "--token-file", str(self.server.station_token_file), "--state", str(state),
        ]  # fmt: skip
