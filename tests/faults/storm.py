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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import UUID

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from evidence.custody.models import CustodyEvent, LogHead
from evidence.exhibits.models import Exhibit, ExhibitState
from evidence.sqlite import prepare
from tests.api.tus import UPLOADS, Answer, Tus, metadata
from tests.live import ROOT, LiveServer

_TRY_AGAIN = {409, 423, 500, 502, 503}
_LARGEST = 10 * 1024 * 1024


class Restartable(Protocol):
    """A service that can be killed and started again at the same address."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass
class Told:
    """What the server has said of one recording."""

    seed: int
    size: int
    sha256: str = ""
    where: str = ""
    acknowledged: int = 0

    def content(self) -> bytes:
        """Made anew: of a long storm they would not all have room in memory."""
        return random.Random(self.seed).randbytes(self.size)


@dataclass
class Storm:
    """Uploads over `server`, and what was done to it: counts by name."""

    server: LiveServer
    chance: random.Random
    told: list[Told] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def upload_without_pause(self, seed: int) -> None:
        """Bring recordings in until the storm is over; the last one is brought to its end."""
        chance = random.Random(seed)
        while not self.over.is_set():
            size = int(chance.choice([1, 5000, 300_000, _LARGEST]) * chance.random()) + 1
            told = Told(chance.getrandbits(64), size)
            try:
                self._bring_in(told, chance)
            except AssertionError as error:
                self.wrong.append(str(error))
            self.told.append(told)
            self.done["uploads"] += 1

    def _bring_in(self, told: Told, chance: random.Random) -> None:
        tus, content = Tus(self.server), told.content()
        told.sha256 = hashlib.sha256(content).hexdigest()
        claims = metadata(
            filename=f"{told.sha256[:8]}.mp4",
            sha256=told.sha256,
            event_id=str(UUID(bytes=chance.randbytes(16), version=4)),
        )
        asked = {"Upload-Length": str(told.size), "Upload-Metadata": claims}
        created = self._again(lambda: tus.ask("POST", UPLOADS, asked))
        assert created.status == 201, created.body
        told.where = created.headers["Location"]
        while told.acknowledged < told.size:
            end = told.acknowledged + chance.randrange(1, _LARGEST)
            piece = content[told.acknowledged : end]
            sent = self._attempt(lambda piece=piece: tus.send(told.where, told.acknowledged, piece))
            if sent is not None and sent.status == 204:
                told.acknowledged = sent.offset
                continue
            at = self._again(lambda: tus.ask("HEAD", told.where))
            assert at.status == 200, at.status
            assert at.offset >= told.acknowledged, "an acknowledged byte is gone"
            told.acknowledged = at.offset

    def _attempt(self, ask: Callable[[], Answer]) -> Answer | None:
        try:
            return ask()
        except (OSError, http.client.HTTPException, AttributeError):
            # http.client forgets its socket where a refusal came while it sent.
            self.done["connections lost"] += 1
            return None

    def _again(self, ask: Callable[[], Answer], seconds: float = 90) -> Answer:
        """The answer, asked for until there is one that is not 'try again'."""
        until = time.monotonic() + seconds
        while True:
            answer = self._attempt(ask)
            if answer is not None and answer.status not in _TRY_AGAIN:
                return answer
            if answer is not None:
                self.done[f"answered {answer.status}"] += 1
            assert time.monotonic() < until, f"no answer for {seconds} s"
            time.sleep(0.1)

    def dock_without_pause(self, card: Path, state: Path) -> None:
        """scripts/dock on a card, killed at random, until the storm is over; then once whole."""
        command = self._dock(card, state)
        while not self.over.is_set():
            dock = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
                self._dock(card, state), capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                return
            assert time.monotonic() < until, done.stdout + done.stderr

    def _dock(self, card: Path, state: Path) -> list[str]:
        return [
            sys.executable, str(ROOT / "scripts" / "dock"), str(card), "--server", self.server.url,
            "--token-file", str(self.server.station_token_file), "--state", str(state),
        ]  # fmt: skip

    def rage(self, rounds: int, services: Mapping[str, Restartable]) -> None:
        """So many times something is killed, and started again a moment later."""
        for _ in range(rounds):
            time.sleep(self.chance.uniform(0.1, 1.5))
            victim = self.chance.choice(["web", "worker", *services])
            if victim == "web":
                self.server.kill_web()
                self.server.start_web()
            elif victim == "worker":
                self.server.kill_worker()
                self.server.start_brisk_worker()
            else:
                services[victim].stop()
                time.sleep(self.chance.uniform(0, 2))
                services[victim].start()
            self.done[f"{victim} killed"] += 1
            self.start_what_has_ended()

    def start_what_has_ended(self) -> None:
        """As systemd would: a worker that begins while the database is away ends with 1."""
        if not self.server.runs("worker"):
            self.server.start_brisk_worker()
            self.done["worker began in vain"] += 1


def settle(storm: Storm, seconds: float = 240) -> None:
    """Wait until everything that was acknowledged whole is sealed, and the log is signed."""
    tus = Tus(storm.server)
    until = time.monotonic() + seconds
    for told in storm.told:
        if told.acknowledged < told.size:
            continue
        while (state := tus.state(told.where, 1)["state"]) not in ("sealed", "duplicate"):
            assert time.monotonic() < until, f"{told.where} is still {state}"
            storm.start_what_has_ended()
            time.sleep(0.2)
    supervisor = Tus(storm.server, storm.server.tokens["supervisor"])
    while supervisor.ask("GET", "/readyz").status != 200:
        assert time.monotonic() < until, "not ready again"
        storm.start_what_has_ended()
        time.sleep(0.2)


def losses(storm: Storm, contents: Sequence[bytes]) -> list[str]:
    """What is not as it was told: of the uploads, and of `contents` that came by the dock."""
    found = list(storm.wrong)
    wanted = {told.sha256 for told in storm.told}
    wanted |= {hashlib.sha256(content).hexdigest() for content in contents}
    engine = prepare(create_engine(storm.server.environ["ZHENGLIAN_DATABASE_URL"]))
    with Session(engine) as session:
        rows = session.execute(select(Exhibit.sha256, Exhibit.id, Exhibit.state)).all()
        sealed = Counter(sha256 for sha256, _, state in rows if state is ExhibitState.SEALED)
        found += [f"{s} is sealed {sealed[s]} times" for s in wanted if sealed[s] != 1]
        found += [f"{i} is quarantined" for _, i, s in rows if s is ExhibitState.QUARANTINED]
        for _, exhibit_id, _ in rows:
            kinds = Counter(
                session.scalars(
                    select(CustodyEvent.kind).where(CustodyEvent.subject_id == exhibit_id)
                )
            )
            if (kinds["exhibit:acquired"], kinds["exhibit:sealed"]) != (1, 1):
                found.append(f"{exhibit_id} has the events {dict(kinds)}")
        storm.done["exhibits"] = len(rows)
        storm.done["events under the checkpoint"] = session.scalars(select(LogHead.size)).one()
    engine.dispose()
    for sha256 in wanted:
        digest = hashlib.sha256()
        for piece in storm.server.store.read(sha256):
            digest.update(piece)
        if digest.hexdigest() != sha256:
            found.append(f"the original {sha256} has other bytes")
    return found


def audited(server: LiveServer) -> str:
    """Empty where the whole log holds; otherwise what scripts/log-audit says."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "log-audit"), "--data", str(server.data)],
        env=server.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
