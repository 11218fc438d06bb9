"""A clock that is set back, by seconds or by an hour, and set right again.

Before it is set right, the log must have noticed: it says log:clock_went_back, or the clock has
caught up before anything was to be signed. Afterwards the next head must be signed.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable

from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent, LogHead
from evidence.sqlite import prepare
from tests.faults.clocked import ClockedServer

NOTICED_SECONDS = 300  # other things go wrong meanwhile
_BACK_SECONDS = (3600, 5, 600, 60)
_NOTICED = select(func.count()).where(CustodyEvent.kind == Kind.LOG_CLOCK_WENT_BACK.value)


class Setback:
    """The clock of one server."""

    def __init__(self, server: ClockedServer, chance: random.Random, done: Counter[str]) -> None:
        self._server, self._chance, self._done = server, chance, done
        self._depths = itertools.cycle(_BACK_SECONDS)
        self._back = self._since = 0.0
        self._known = 0
        self._signed_at: dt.datetime | None = None
        engine = create_engine(server.environ["ZHENGLIAN_DATABASE_URL"], poolclass=NullPool)
        self._engine = prepare(engine)

    def while_all_run(self) -> None:
        self.forward()
        self._set_back(self._server.set_clock)

    def at_a_restart(self) -> None:
        def restarted(seconds: float) -> None:
            self._server.kill_web()
            self._server.kill_worker()
            self._server.set_clock(seconds)
            self._server.start_brisk_worker()
            self._server.start_web()

        self.forward()
        self._set_back(restarted)

    def forward(self, then: Callable[[], None] = lambda: None) -> None:
        """Right again, and something is signed after `then`; nothing where it is not back."""
        if not self._back:
            return
        self._wait_until_noticed()
        signed_at = self._head()
        self._back = 0.0
        self._server.set_clock(0.0)
        then()
        until = time.monotonic() + NOTICED_SECONDS
        while self._head() <= signed_at:
            assert time.monotonic() < until, "nothing was signed after the clock was set right"
            self._wait()
        self._done["clock set right"] += 1

    def head_ran_back(self) -> list[str]:
        """What is wrong where the head's time is less than it was when last asked."""
        before, self._signed_at = self._signed_at, self._head()
        if before is not None and self._signed_at < before:
            return [f"the head's time ran back from {before} to {self._signed_at}"]
        return []

    def _set_back(self, set_clock: Callable[[float], None]) -> None:
        seconds = next(self._depths) * self._chance.uniform(0.6, 1)
        self._known, self._since = self._noticed(), time.monotonic()
        set_clock(-seconds)
        self._back = seconds

    def _wait_until_noticed(self) -> None:
        while self._noticed() == self._known:
            waited = time.monotonic() - self._since
            if waited > self._back:
                self._done["clock caught up unnoticed"] += 1
                return
            assert waited < NOTICED_SECONDS, "nobody noticed that the clock went back"
            self._wait()

    def _wait(self) -> None:
        self._done["worker began in vain"] += self._server.start_what_has_ended()
        time.sleep(0.1)

    def _noticed(self) -> int:
        with Session(self._engine) as session:
            return session.scalars(_NOTICED).one()

    def _head(self) -> dt.datetime:
        with Session(self._engine) as session:
            return session.scalars(select(LogHead.signed_at)).one()
