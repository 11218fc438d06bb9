"""What the worker's log says while Redis is away: a line now and then, not a traceback each time.

Huey asks twice a second with each of its threads, and writes down every refusal.
"""

from __future__ import annotations

import logging
import sys
import threading
import time

_ASKING = ("huey", "huey.consumer", "huey.consumer.Worker", "huey.consumer.Scheduler")
FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0
# Whoever asks twice a second and is refused no more for so long was answered meanwhile.
ANSWERED = 30.0


class Away(logging.Filter):
    """Lets a refusal through after 5, 10, 20 … seconds, ten minutes at most, in one line."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self._wait, self._next, self._last = FIRST_WAIT, 0.0, float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not is_away(error):
            return True
        with self._guard:
            now = time.monotonic()
            if now - self._last > ANSWERED:
                self._wait, self._next = FIRST_WAIT, now
            self._last = now
            if now < self._next:
                return False
            said, self._next = self._wait, now + self._wait
            self._wait = min(2 * self._wait, LONGEST_WAIT)
        record.msg = "the queue cannot be reached, and is asked on; told again after %d s: %s"
        record.args = (said, error)
        record.exc_info = record.exc_text = None
        return True


def is_away(error: BaseException | None) -> bool:
    """Whether it is Redis that could not be reached, or takes nothing because its disk is full.

    In a process that has loaded it.
    """
    redis = sys.modules.get("redis.exceptions")
    if redis is None:
        return False
    full = isinstance(error, redis.ResponseError) and str(error).startswith("MISCONF")
    return full or isinstance(error, redis.ConnectionError | redis.TimeoutError)


def begin() -> None:
    """From now on, for everything in this process that asks the queue."""
    away = Away()
    for name in _ASKING:
        logging.getLogger(name).addFilter(away)
