"""Move the store: copy everything that it keeps into another, verified. May run again and again.

scripts/move-store [--to URL] [--data FOLDER] [--check]

Without --to it copies from ZHENGLIAN_STORE_OLD_URL into ZHENGLIAN_STORE_URL; with it, from
ZHENGLIAN_STORE_URL into URL, which is how to begin before anything is switched.

The server may run meanwhile. The switch: set ZHENGLIAN_STORE_URL to the new store and
ZHENGLIAN_STORE_OLD_URL to the old one, restart, and run this until nothing is pending. Then unset
ZHENGLIAN_STORE_OLD_URL and restart. Nothing is removed from the old store.

--check counts what is pending by its names, and copies nothing. Without it, what is at the
destination already is read again in full. After the switch, the page Administration and /metrics
show what was counted last on their machine.

Exit code 0 nothing is pending, 1 something is, or does not match, 2 wrong use.
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from evidence.errors import EvidenceError, StorageError
from evidence.storage.port import Store
from server import config, moving
from server.config import ConfigurationError, Settings
from server.extensions import open_one_store
from server.mirroring import KINDS, mirror, pending

_SAID_EVERY = 10.0  # seconds


def stores(environ: dict[str, str], to: str | None) -> tuple[Settings, Store, Store]:
    """Settings, where from, and where to. Raises ConfigurationError, StorageError."""
    settings = config.read(environ)
    if to:
        if settings.store_old_url:
            raise ConfigurationError(
                "--to is for before the switch: ZHENGLIAN_STORE_OLD_URL is set."
            )
        # As they will stand after the switch: the same mistakes are refused in the same words.
        switched = {"ZHENGLIAN_STORE_URL": to, "ZHENGLIAN_STORE_OLD_URL": settings.store_url}
        settings = config.read({**environ, **switched})
    if not settings.store_old_url:
        raise ConfigurationError(
            "Say where to, with --to; or set ZHENGLIAN_STORE_OLD_URL to the store that is moved."
        )
    # The digests that were sealed are SHA-256; SM3 would be taken for nothing.
    settings = dataclasses.replace(settings, sm3=False)
    old = open_one_store(settings, settings.store_old_url)
    return settings, old, open_one_store(settings, settings.store_url)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Two at once would take each other's staging areas away. Raises ConfigurationError.

    The lock is this data folder's. Two on two machines disturb each other, and the one that is
    disturbed says so and ends; nothing is lost by it, because every copy has a staging area of its
    own, and a name that is filed stays with the copy that was first.
    """
    with (settings.data / "move-store.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError("Another scripts/move-store is running here.") from None
        yield


class _Progress:
    """A line now and then, for whoever waits for days."""

    def __init__(self) -> None:
        self._done = 0
        self._said = time.monotonic()

    def __call__(self, words: str) -> None:
        self._done += 1
        if time.monotonic() - self._said > _SAID_EVERY:
            self._said = time.monotonic()
            print(f"… {self._done} done, the last {words}", file=sys.stderr, flush=True)


def _copy(settings: Settings, source: Store, target: Store) -> bool:
    """Whether everything matched."""
    with alone(settings):
        done = mirror(source, target, _Progress())
    for kind in KINDS:
        print(f"{kind:12} {done.copied[kind]:>8} copied, {done.there[kind]:>8} were there")
    for words in done.problems:
        print(f"✗ {words}")
    return not done.problems


def _note(settings: Settings, left: Mapping[str, int]) -> None:
    """For the page and /metrics; that there is no room for it keeps nothing from being copied."""
    try:
        moving.note(settings, left)
    except StorageError as error:
        print(f"What is pending cannot be shown on the page: {error}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="move-store", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", metavar="URL")
    parser.add_argument("--data", type=Path, help="data folder (ZHENGLIAN_DATA, or ./data)")
    parser.add_argument("--check", action="store_true", help="count only")
    chosen = parser.parse_args()
    os.umask(config.UMASK)
    environ = {**os.environ, **({"ZHENGLIAN_DATA": str(chosen.data)} if chosen.data else {})}
    try:
        settings, source, target = stores(environ, chosen.to)
        if not chosen.to:
            # A run of days is seen to be one; and if it is killed, there was no less than this.
            _note(settings, pending(source, target))
        matched = chosen.check or _copy(settings, source, target)
        left = pending(source, target)
        if not chosen.to:
            _note(settings, left)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except (EvidenceError, OSError) as error:
        print(f"NOT DONE: {error} What is there stays; run it again.", file=sys.stderr)
        return 1
    print("pending: " + ", ".join(f"{count} {kind}" for kind, count in left.items()))
    return 0 if matched and not any(left.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
