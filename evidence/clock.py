"""The one place that asks what time it is, so that tests can step it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def _wall_clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


_sources: list[Callable[[], dt.datetime]] = [_wall_clock]


def now() -> dt.datetime:
    """The present time, aware, UTC."""
    return _sources[-1]()


@contextmanager
def replaced_by(source: Callable[[], dt.datetime]) -> Iterator[None]:
    """Let `source` tell the time inside the block, in every thread: for tests."""
    _sources.append(source)
    try:
        yield
    finally:
        _sources.remove(source)
