"""How far it is: bars on a terminal, plain lines anywhere else. All of it goes to stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from scripts.docking.card import CardFile, visible
from scripts.docking.troubles import Trouble
from scripts.docking.words import Words

PLAIN_EVERY = 10.0


class PlainLines:
    """A line when a file's phase changes, when it waits, and every ten seconds between."""

    def __init__(self, files: Iterable[CardFile], words: Words) -> None:
        self._words = words
        self._said: dict[CardFile, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def phase(self, file: CardFile, key: str) -> None:
        if key != "phase_ask":
            self._say(file, self._words(key))

    def reading(self, file: CardFile, done: int) -> None:
        self._at(file, done, "phase_digest")

    def sending(self, file: CardFile, offset: int) -> None:
        self._at(file, offset, "phase_send")

    def waiting(self, file: CardFile, why: Trouble, seconds: float) -> None:
        self._say(file, self._words("waiting", why=why, seconds=seconds))

    def note(self, file: CardFile, key: str, **facts: object) -> None:
        self._say(file, self._words(key, **facts))

    def finished(self, file: CardFile) -> None:
        with self._lock:
            self._said.pop(file, None)

    def _at(self, file: CardFile, done: int, key: str) -> None:
        if time.monotonic() - self._said.get(file, 0.0) > PLAIN_EVERY:
            share = f"{100 * done // max(file.size, 1)} %"
            self._say(file, f"{self._words(key)} {share}")

    def _say(self, file: CardFile, text: str) -> None:
        with self._lock:
            self._said[file] = time.monotonic()
            print(f"{visible(file.relative)}: {text}", file=sys.stderr, flush=True)


class Bars:
    """A bar for each file in work and one for them all, with MB/s and the time left."""

    def __init__(self, files: Iterable[CardFile], words: Words) -> None:
        self._words = words
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(ratio=2, no_wrap=True, overflow="ellipsis"),
            ),
            BarColumn(table_column=Column(ratio=1)),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            expand=True,
        )
        self._total = self._progress.add_task(
            words("total"), total=sum(file.size for file in files) or 1
        )
        self._lock = threading.Lock()
        self._tasks: dict[CardFile, TaskID] = {}
        self._sent: dict[CardFile, int] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def phase(self, file: CardFile, key: str) -> None:
        text = f"{self._words(key)} · {visible(file.relative)}"
        with self._lock:
            if file not in self._tasks:
                self._tasks[file] = self._progress.add_task(text, total=file.size)
            self._progress.update(self._tasks[file], description=text)

    def reading(self, file: CardFile, done: int) -> None:
        self._progress.update(self._tasks[file], completed=done)

    def sending(self, file: CardFile, offset: int) -> None:
        self._progress.update(self._tasks[file], completed=offset)
        self._count(file, offset)

    def waiting(self, file: CardFile, why: Trouble, seconds: float) -> None:
        self.note(file, "waiting", why=why, seconds=seconds)

    def note(self, file: CardFile, key: str, **facts: object) -> None:
        text = f"{visible(file.relative)}: {self._words(key, **facts)}"
        self._console.print(text, markup=False, highlight=False)

    def finished(self, file: CardFile) -> None:
        self._count(file, file.size)
        with self._lock:
            task = self._tasks.pop(file, None)
        if task is not None:
            self._progress.remove_task(task)

    def _count(self, file: CardFile, offset: int) -> None:
        with self._lock:
            step = offset - self._sent.get(file, 0)
            self._sent[file] = offset
        self._progress.advance(self._total, step)


def shown(files: list[CardFile], words: Words) -> Bars | PlainLines:
    """Whichever suits where stderr goes."""
    return Bars(files, words) if sys.stderr.isatty() else PlainLines(files, words)
