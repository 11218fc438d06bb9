"""Recordings that keep arriving, and being read again, while something is done to the server.

Where nobody answers, because the server is started again just then, the same is asked again, as
every client of ours does. An answer that is no good ends it, and `arriving` raises it at the end.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from uuid import uuid4

from tests.api.tus import UPLOADS, Answer, Tus, metadata
from tests.contracts.stores import sha256
from tests.live import LiveServer

_PATIENCE = 60  # seconds
LARGEST = 300_000  # bytes
EVERY = 0.3  # seconds


class Arriving:
    """Who sends, and reads what was sent: `sealed` is every recording by its exhibit's address."""

    def __init__(self, server: LiveServer, chance: random.Random) -> None:
        self._dock, self._reader = Tus(server), Tus(server, server.tokens["supervisor"])
        self._chance = chance
        self.sealed: dict[str, bytes] = {}

    def one(self) -> None:
        """A recording, brought until it is sealed."""
        content = self._chance.randbytes(self._chance.randrange(1, LARGEST))
        self.bring(self.begin(content), content)

    def begin(self, content: bytes) -> str:
        """The address of an upload; the same event again is the same upload."""
        claims = metadata(filename="a.mp4", sha256=sha256(content), event_id=str(uuid4()))
        headers = {"Upload-Length": str(len(content)), "Upload-Metadata": claims}
        made = _answered(lambda: self._dock.ask("POST", UPLOADS, {**headers}), 201)
        return made.headers["Location"]

    def bring(self, where: str, content: bytes) -> None:
        """Send what it lacks, and wait until it is sealed."""
        while (at := _answered(lambda: self._dock.ask("HEAD", where), 200).offset) < len(content):
            self.send(where, at, content[at:])
        end = time.monotonic() + _PATIENCE
        while (told := self._told(where))["state"] != "sealed":
            assert time.monotonic() < end, told
            time.sleep(0.05)
        self.sealed[told["exhibit"]] = content

    def send(self, where: str, at: int, piece: bytes) -> None:
        # 409: a part of it arrived before the server was stopped, and it stands elsewhere now.
        _answered(lambda: self._dock.send(where, at, piece), 204, 409)

    def _told(self, where: str) -> Any:
        return _answered(lambda: self._dock.ask("GET", where), 200).json

    def read_one(self) -> None:
        exhibit = self._chance.choice(list(self.sealed))
        self._read(exhibit)

    def read_all(self) -> None:
        for exhibit in list(self.sealed):
            self._read(exhibit)

    def _read(self, exhibit: str) -> None:
        answer = _answered(lambda: self._reader.ask("GET", f"{exhibit}/original"), 200)
        assert answer.body == self.sealed[exhibit]


def _answered(ask: Callable[[], Answer], *statuses: int) -> Answer:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            answer = ask()
        except (OSError, HTTPException):
            assert time.monotonic() < end, "nobody answers"
            time.sleep(0.05)
            continue
        assert answer.status in statuses, answer.body
        return answer


@contextmanager
def arriving(server: LiveServer, chance: random.Random) -> Iterator[Arriving]:
    """Inside the block they arrive; after it, all are sealed."""
    found, over = Arriving(server, chance), threading.Event()
    found.one()

    def go_on() -> None:
        while not over.wait(EVERY):
            found.one()
            found.read_one()

    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(go_on)
        try:
            yield found
        finally:
            over.set()
            running.result()
