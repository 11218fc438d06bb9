"""What the dock claims about a file beside its digest: which recorder made it, and when."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from evidence.recorders import names
from scripts.docking.card import CardFile


@dataclass(frozen=True, slots=True)
class Claim:
    """`recorded_at` is RFC 3339 with an offset. Both are claims: the server rewrites neither."""

    recorder: str
    recorded_at: str


def of(file: CardFile, recorder: str = "") -> Claim:
    """From `recorder` where it is given and from the file's name where that follows a recorder's
    pattern; otherwise the time is that of the file's last change, with this machine's offset.
    """
    named = names.parse(file.name)
    modified = dt.datetime.fromtimestamp(file.mtime_ns // 10**9, dt.UTC).astimezone()
    taken = named.recorded_at if named else modified
    return Claim(
        recorder=recorder or (named.device if named else ""),
        recorded_at=taken.isoformat(timespec="seconds"),
    )
