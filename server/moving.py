"""What is in the former store alone, as scripts/move-store counted it last.

For the console and /metrics of the machine on which it runs, in its data folder: counting lists
both stores, which takes minutes where they hold a million originals. After the switch nothing
begins in the former store any more. So the count only falls, but for uploads that were under way
in it, which are counted too.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass

from evidence import clock
from evidence.storage.durable import replace_file
from server.config import Settings

FILE = "move-store.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How much of each kind (`mirroring.PENDING`) was pending, and when."""

    at: dt.datetime
    pending: Mapping[str, int]


def note(settings: Settings, pending: Mapping[str, int]) -> None:
    """Raises StorageFull, StorageUnavailable."""
    said = {**_between(settings), "at": clock.now().isoformat(), "pending": dict(pending)}
    replace_file(settings.data / FILE, json.dumps(said, indent=1).encode())


def last(settings: Settings) -> Counted | None:
    """None where nothing was counted, or between two other stores."""
    try:
        said = json.loads((settings.data / FILE).read_bytes())
        if {name: said[name] for name in ("from", "to")} != _between(settings):
            return None
        at = dt.datetime.fromisoformat(said["at"])
        return Counted(at=at, pending={str(k): int(n) for k, n in said["pending"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _between(settings: Settings) -> dict[str, str]:
    return {"from": settings.store_old_url, "to": settings.store_url}
