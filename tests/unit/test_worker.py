"""The worker's loops: what makes them wait, and what does not."""

from __future__ import annotations

import logging
import threading

import pytest
from flask import Flask
from redis.exceptions import ConnectionError

from evidence.custody.sequencer import BATCH
from server import queue_away
from server.worker import Worker


class Pauses(threading.Event):
    """Notes how long a loop would wait, and lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        return self.is_set()


def pauses(app: Flask, outcomes: list[int | Exception], full: int | None) -> list[float | None]:
    """How long a loop that meets `outcomes` waits between them, where it is to wait 60 s."""
    worker, left = Worker(app), list(outcomes)
    worker._stop = stop = Pauses()

    def act() -> int:
        outcome = left.pop(0)
        if not left:
            stop.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    worker._repeat(act, 60, full)
    assert left == []
    return stop.asked


def test_a_full_batch_is_followed_by_the_next_at_once(app: Flask) -> None:
    assert pauses(app, [BATCH, BATCH, 7], BATCH) == [60]


@pytest.mark.parametrize("found", [0, 1, BATCH - 1])
def test_after_less_than_a_batch_the_loop_waits(app: Flask, found: int) -> None:
    assert pauses(app, [found, 0], BATCH) == [60, 60]


def test_the_sweep_waits_however_much_it_found(app: Flask) -> None:
    assert pauses(app, [200, 200], None) == [60, 60]


def test_a_loop_goes_on_after_whatever_failed(app: Flask) -> None:
    assert pauses(app, [RuntimeError("once"), 3], BATCH) == [1, 60, 60]


def test_a_queue_that_is_away_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(queue_away.time, "monotonic", lambda: now)
    away = queue_away.Away()

    def refused(error: Exception) -> logging.LogRecord | None:
        record = logging.LogRecord(
            "huey", logging.ERROR, "", 1, "Error reading from queue", (), (type(error), error, None)
        )
        return record if away.filter(record) else None

    told = []
    for _ in range(200):
        if record := refused(ConnectionError("Connection refused.")):
            told.append((now, record.getMessage(), record.exc_info))
        now += 0.5
    assert [at - 1000 for at, _, _ in told] == [0, 5, 15, 35, 75]
    assert told[0][1:] == (
        "the queue cannot be reached, and is asked on; told again after 5 s: Connection refused.",
        None,
    )
    # Whatever else goes wrong keeps its traceback; and after a while in peace it begins anew.
    other = refused(ValueError("another"))
    assert other is not None
    assert other.exc_info is not None
    now += 31
    assert refused(ConnectionError("again")) is not None
