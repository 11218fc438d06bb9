"""The worker: `python -m server.worker` runs the queue, the sequencer, the sweep, the reading again
of originals, the locks of what was set aside, and the asking of those who vouch for the log.

Each loop runs in a thread of its own; an exception is logged and the loop goes on. A log that
has forked stops the sequencer, which is then no longer ready, and the server says so.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

from flask import Flask
from huey.consumer import Consumer

from evidence.custody.sequencer import BATCH, Sequencer
from evidence.errors import LogForked
from server import config, create_app, jobs, logs, queue_away, starting, sweeping, vouching
from server.extensions import log_key, sessions, signer, store
from server.rereading import GivenUp, Rereading, lock_quarantined

log = logging.getLogger("zhenglian.worker")

SEQUENCE_EVERY = 0.1
SWEEP_EVERY = 15.0
FIXITY_EVERY = 5.0  # seconds between two looks whether an original is due
LOCK_EVERY = 6 * 3600.0  # a lock is of days
VOUCH_EVERY = 1.0  # and between two that a checkpoint may be vouched for
JOB_THREADS = 2


class Worker:
    """Everything that runs beside the web."""

    def __init__(
        self,
        app: Flask,
        *,
        sweep_every: float = SWEEP_EVERY,
        lost_after: dt.timedelta = sweeping.LOST_AFTER,
    ) -> None:
        """`sweep_every` is in seconds."""
        self._app = app
        self._sweep_every, self._lost_after = sweep_every, lost_after
        self._stop = threading.Event()
        with app.app_context():
            self._sequencer = Sequencer(
                sessions(),
                store(),
                signer(),
                f"{socket.gethostname()}:{os.getpid()}",
                log_key().lost,
            )
        self._consumer = Consumer(
            jobs.queue_of(app),
            workers=JOB_THREADS,
            periodic=False,
            initial_delay=0.05,
            max_delay=0.1,
            check_worker_health=True,
        )

    def start(self) -> None:
        self._threads = [
            threading.Thread(target=loop, name=name)
            for name, loop in (
                ("sequencer", self._sequence),
                ("sweep", self._sweep),
                ("fixity", self._reread),
                ("quarantine", self._lock),
            )
        ]
        with self._app.app_context():
            self._threads += [
                threading.Thread(target=self._repeat, args=(ask, VOUCH_EVERY), name=name)
                for name, ask in vouching.loops().items()
            ]
        for thread in self._threads:
            thread.start()
        self._consumer.start()

    def stop(self) -> None:
        """End the loops; jobs under way are found again by the next start's sweep."""
        self._stop.set()
        self._consumer.stop(graceful=False)
        for thread in self._threads:
            thread.join(3)
        with self._app.app_context():
            self._sequencer.release()

    def wait(self) -> None:
        self._stop.wait()

    def request_stop(self) -> None:
        self._stop.set()

    def _sequence(self) -> None:
        self._repeat(self._sequencer.run_once, SEQUENCE_EVERY, full=BATCH)

    def _sweep(self) -> None:
        self._repeat(lambda: sweeping.sweep(self._lost_after), self._sweep_every)

    def _reread(self) -> None:
        self._repeat(Rereading(self._stop.wait).run_once, FIXITY_EVERY, full=1)

    def _lock(self) -> None:
        self._repeat(lock_quarantined, LOCK_EVERY)

    def _repeat(self, act: Callable[[], int], every: float, full: int | None = None) -> None:
        """Do `act` until the stop; at once again where it did as much as it can at a time."""
        while not self._stop.is_set():
            found = 0
            try:
                with self._app.app_context():
                    found = act()
            except GivenUp:
                return
            except LogForked:
                log.critical("the custody log contradicts itself: nothing is signed", exc_info=True)
                self._stop.wait(30)
            except Exception:
                log.exception("%s failed", threading.current_thread().name)
                self._stop.wait(1)
            if full is None or found < full:
                self._stop.wait(every)


def main(make: Callable[[Flask], Worker] = Worker) -> int:
    """Run the worker that `make` makes until a signal ends it."""
    os.umask(config.UMASK)
    logs.begin(logging.INFO)
    for noisy in ("huey", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    queue_away.begin()
    with starting.told():
        starting.require(config.read())
        worker = make(create_app())
    worker.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.request_stop())
    worker.wait()
    worker.stop()
    # Threads in the middle of ffmpeg are not waited for.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
