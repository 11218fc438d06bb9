"""The custody events of a made-up bureau, as tuples in the order of the log.

Ten for each exhibit: what came of it on the day, and seven spread over the weeks after, so that an
exhibit's events lie far apart in the table. Each recorder is handed out and in every day, each
case filed and looked at. The bytes are canonical, and rows and events say the same.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from evidence.custody.append import timestamp
from evidence.custody.kinds import Kind
from evidence.exhibits.models import ExhibitState
from evidence.people.actor import SYSTEM
from scripts.benchmarks.bureau import (
    START,
    Bureau,
    Row,
    case_number,
    received_at,
    wearer_on,
)

COLUMNS = (
    "id",
    "at",
    "kind",
    "subject_type",
    "subject_id",
    "actor_type",
    "actor_id",
    "via",
    "canonical",
    "entry",
    "leaf_index",
)
# After how many further exhibits something is done to one; linking, where it is linked, is first.
_LATER = (
    (3, Kind.EXHIBIT_VIEWED),
    (40, Kind.EXHIBIT_VIEWED),
    (41, Kind.EXHIBIT_PLAYED),
    (600, Kind.EXHIBIT_VIEWED),
    (601, Kind.EXHIBIT_DOWNLOADED),
    (4000, Kind.EXHIBIT_VIEWED),
    (12_000, Kind.EXHIBIT_VIEWED),
)
LONGEST = _LATER[-1][0]
_DAY = dt.timedelta(days=1)
# The oldest recordings were made some days before the first exhibit came in.
_DAYS_BEFORE = 8


class _Kept(NamedTuple):
    """What later events need to know of an exhibit."""

    id: UUID
    sha256: str
    case: int | None


@dataclass
class History:
    """Events, while exhibits come in one by one: call `of` for each, `rest` at the end."""

    bureau: Bureau
    _leaf: int = 0
    _exhibits: list[_Kept] = field(default_factory=list)
    _day: dt.date = START.date() - _DAYS_BEFORE * _DAY

    def beginning(self) -> Iterator[tuple[Any, ...]]:
        """Every case is filed, and looked at now and then."""
        officers = self.bureau.officers
        for place, case in enumerate(self.bureau.cases):
            number, by = case_number(place), officers[place % len(officers)]
            filed = {"number": number, "unit": str(self.bureau.units[(place + 1) % 22])}
            yield self._event(START, Kind.CASE_FILED, case, by, filed)
            for _ in range(3):
                yield self._event(START, Kind.CASE_VIEWED, case, by, {"number": number})

    def of(self, row: Row, case: int | None) -> Iterator[tuple[Any, ...]]:
        """What is logged when the exhibit `row` comes in, and of others at that time."""
        yield from self._handed_out(row["received_at"].date())
        self._exhibits.append(_Kept(row["id"], row["sha256"], case))
        at = row["received_at"]
        sealed = row["state"] is ExhibitState.SEALED
        settled = Kind.EXHIBIT_SEALED if sealed else Kind.EXHIBIT_QUARANTINED
        for kind, details in (
            (Kind.EXHIBIT_ACQUIRED, _acquired(row)),
            (settled, _sealed(row) if sealed else _quarantined(row)),
            (Kind.EXHIBIT_PROBED, _probed(row)),
        ):
            yield self._event(at, kind, row["id"], None, details)
        yield from self._later(len(self._exhibits) - 1, at)

    def rest(self) -> Iterator[tuple[Any, ...]]:
        """What is still to be done when no more exhibits come in."""
        count = len(self._exhibits)
        for n in range(count, count + LONGEST):
            yield from self._later(n, received_at(n))

    def _later(self, now: int, at: dt.datetime) -> Iterator[tuple[Any, ...]]:
        officers = self.bureau.officers
        for place, (after, kind) in enumerate(_LATER):
            if not 0 <= (n := now - after) < len(self._exhibits):
                continue
            kept = self._exhibits[n]
            if place == 0 and kept.case is not None:
                linked = self._linked(kept, kept.case)
                yield self._event(at, Kind.EXHIBIT_LINKED, kept.id, officers[0], linked)
            else:
                details = {"sha256": kept.sha256} if kind is Kind.EXHIBIT_DOWNLOADED else {}
                by = officers[(n + place) % len(officers)]
                yield self._event(at, kind, kept.id, by, details)

    def _linked(self, kept: _Kept, case: int) -> dict[str, Any]:
        return {
            "to": "case",
            "id": str(self.bureau.cases[case]),
            "number": case_number(case),
            "note": "",
            "sha256": kept.sha256,
        }

    def _handed_out(self, until: dt.date) -> Iterator[tuple[Any, ...]]:
        """Every recorder in the evening of the day before, and out again; until that day."""
        while self._day <= until:
            morning = dt.datetime.combine(self._day, dt.time(), dt.UTC)
            evening = morning - dt.timedelta(microseconds=1)
            for at, day, kind in (
                (evening, self._day - _DAY, Kind.RECORDER_CHECKED_IN),
                (morning, self._day, Kind.RECORDER_CHECKED_OUT),
            ):
                for n, recorder in enumerate(self.bureau.recorders):
                    who = self.bureau.officers[wearer_on(n, day)]
                    said = {"checkout": str(uuid4()), "officer": str(who), "at": timestamp(at)}
                    yield self._event(at, kind, recorder, who, said)
            self._day += _DAY

    def _event(
        self, at: dt.datetime, kind: Kind, subject: UUID, by: UUID | None, details: dict[str, Any]
    ) -> tuple[Any, ...]:
        noun, event_id = kind.value.partition(":")[0], uuid4()
        actor_type, actor, via = ("officer", by, "console") if by else _SYSTEM
        canonical = _canonical(
            {
                "actor": {"id": str(actor), "type": actor_type, "via": via},
                "at": timestamp(at),
                "details": details,
                "id": str(event_id),
                "kind": kind.value,
                "salt": base64.b64encode(os.urandom(16)).decode(),
                "subject": {"id": str(subject), "type": noun},
                "v": 1,
            }
        )
        entry = hashlib.sha256(canonical).digest()
        leaf, self._leaf = self._leaf, self._leaf + 1
        told = (event_id, at, kind.value, noun, subject, actor_type, actor, via)
        return (*told, canonical, entry, leaf)


_SYSTEM = (SYSTEM.type.value, SYSTEM.id, SYSTEM.via.value)
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def _canonical(content: dict[str, Any]) -> bytes:
    """What RFC 8785 gives, sooner: names are ASCII, numbers are small, no control character."""
    return _encode(content).encode()


def _acquired(row: Row) -> dict[str, Any]:
    return {
        "label": row["label"],
        "upload": str(row["upload_id"]),
        "filename": row["filename"],
        "size": row["size"],
        "recorded_at_claim": row["recorded_at_claim"],
        "recorded_at": timestamp(row["recorded_at"]),
        "recorder_claim": row["recorder_claim"],
        "recorder": str(row["recorder_id"]),
        "wearer": str(row["officer_id"]),
        "unit": str(row["unit_id"]),
        "received_at": timestamp(row["received_at"]),
        "sha256_claim": row["sha256_claim"],
        "flags": row["flags"],
    }


def _sealed(row: Row) -> dict[str, Any]:
    return {
        "size": row["size"],
        "sha256": row["sha256"],
        "sha256_claim": row["sha256_claim"],
        "sha256_received": row["sha256_received"],
        "segments_sha256": row["segments_digest"],
        "segments": 1,
    }


def _quarantined(row: Row) -> dict[str, Any]:
    said = _sealed(row)
    read_back = said.pop("sha256")
    return {**said, "sha256_read_back": read_back, "differed": ["claimed"]}


def _probed(row: Row) -> dict[str, Any]:
    return {
        "media_type": row["media_type"],
        "media_state": row["media_state"].value,
        "tool": "ffprobe 5.1.8",
    }
