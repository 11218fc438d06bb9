"""Reading the log: events as their canonical bytes say them, and whether the log still holds.

The columns beside the canonical bytes are an index that an administrator could change: every
event read is compared with its bytes, and shown as altered where they differ.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from evidence.custody import merkle
from evidence.custody.append import timestamp
from evidence.custody.checkpoint import verify_checkpoint
from evidence.custody.models import CustodyEvent, LogHead
from evidence.custody.tiles import HASH_BYTES, WIDTH, TileReader, tile_path, width_of
from evidence.errors import CustodyError, StorageError
from evidence.storage.port import TileStore

State = Literal["sequenced", "pending", "altered"]

# Rows to be read once: as entities of a session they would take half as long again.
_COLUMNS = tuple(CustodyEvent.__table__.columns)
# Of the newest events, so many at first, and twice as many each time that more are asked for.
_AT_FIRST = 4
# Made once: asked for each exhibit of a case, making it takes as long as the answer.
_NEWEST = (
    select(*_COLUMNS)
    .where(
        CustodyEvent.subject_id == bindparam("subject_id"),
        CustodyEvent.position < bindparam("before"),
    )
    .order_by(CustodyEvent.position.desc())
    .limit(bindparam("count"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """One event for people to read; `altered` where row and canonical bytes contradict."""

    position: int
    leaf_index: int | None
    at: dt.datetime
    kind: str
    subject_type: str
    subject_id: UUID
    actor_type: str
    actor_id: UUID
    via: str
    details: Mapping[str, Any]
    entry_hex: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class LogVerdict:
    """What a verification found, over the `checked` leaves from `first` on.

    `broken_at` is the first leaf that does not hold, None where all do; `problem` says why, also
    where no single leaf is to blame. `size` and `root_hex` are the signed head's.
    """

    size: int
    root_hex: str
    first: int
    checked: int
    broken_at: int | None
    problem: str

    @property
    def intact(self) -> bool:
        """Never for an empty log: nothing was verified."""
        return self.size > 0 and not self.problem


def events_of(session: Session, subject_ids: Iterable[UUID]) -> list[RecordedEvent]:
    """Every event about these subjects, in position order."""
    rows = session.execute(
        select(*_COLUMNS)
        .where(CustodyEvent.subject_id.in_(list(subject_ids)))
        .order_by(CustodyEvent.position)
    )
    return [_recorded(row) for row in rows]


def newest_of(session: Session, subject_id: UUID, before: int) -> Iterator[RecordedEvent]:
    """Its events below the position `before`, the newest first, read as they are asked for."""
    count = _AT_FIRST
    while True:
        asked = {"subject_id": subject_id, "before": before, "count": count}
        rows = session.execute(_NEWEST, asked).all()
        yield from map(_recorded, rows)
        if len(rows) < count:
            return
        before, count = rows[-1].position, 2 * count


def _recorded(row: CustodyEvent | Row[Any]) -> RecordedEvent:
    said = event_of(row.canonical)
    intact = said is not None and _agrees(row, said)
    details = said.get("details") if said else None
    return RecordedEvent(
        position=row.position,
        leaf_index=row.leaf_index,
        at=row.at,
        kind=row.kind,
        subject_type=row.subject_type,
        subject_id=row.subject_id,
        actor_type=row.actor_type,
        actor_id=row.actor_id,
        via=row.via,
        details=details if isinstance(details, dict) else {},
        entry_hex=row.entry.hex(),
        state="altered" if not intact else "pending" if row.leaf_index is None else "sequenced",
    )


def event_of(canonical: bytes) -> dict[str, Any] | None:
    """The event that these bytes are; None where they are none."""
    try:
        said = json.loads(canonical.decode())
    except (ValueError, AttributeError):
        return None  # a database that was meddled with may hold a text where bytes belong
    return said if isinstance(said, dict) else None


def _agrees(row: CustodyEvent | Row[Any], said: Mapping[str, Any]) -> bool:
    columns = {
        "v": 1,
        "id": str(row.id),
        "at": timestamp(row.at),
        "kind": row.kind,
        "subject": {"type": row.subject_type, "id": str(row.subject_id)},
        "actor": {"type": row.actor_type, "id": str(row.actor_id), "via": row.via},
    }
    return says(said, columns) and hashlib.sha256(row.canonical).digest() == row.entry


def says(said: Mapping[str, Any], columns: Mapping[str, Any]) -> bool:
    """Whether an event says exactly what the columns beside it do."""
    # What has no column of its own says itself.
    own = {name: said[name] for name in ("details", "salt") if name in said}
    return len(own) == 2 and {**columns, **own} == said


def verify_log(
    session: Session, tiles: TileStore, verifier_key: str, limit: int = 10_000
) -> LogVerdict:
    """Recompute the newest `limit` leaves from their rows, against tiles and signed root.

    The root always covers the whole tree. The verdict says what is broken rather than raising
    it: the console shows it, and the next call may be made by somebody else.
    """
    head = session.get(LogHead, verifier_key.partition("+")[0])
    if head is None:
        return LogVerdict(
            size=0, root_hex="", first=0, checked=0, broken_at=None, problem="The log is empty."
        )
    # Whole bundles, so that each is read once.
    first = max(0, head.size - limit) // WIDTH * WIDTH
    checked, broken_at, problem = 0, None, ""
    try:
        checkpoint = verify_checkpoint(head.checkpoint, verifier_key)
        reader = TileReader(tiles, checkpoint.size)
        if (checkpoint.size, checkpoint.root) != (head.size, head.root):
            problem = "The head's row is not what its signature covers."
        elif reader.root() != checkpoint.root:
            problem = "The tiles do not lead to the signed root."
        else:
            checked, broken_at, problem = _compare(session, reader, first)
    except (CustodyError, StorageError) as error:
        problem = str(error)
    return LogVerdict(
        size=head.size,
        root_hex=head.root.hex(),
        first=first,
        checked=checked,
        broken_at=broken_at,
        problem=problem,
    )


def _compare(session: Session, reader: TileReader, first: int) -> tuple[int, int | None, str]:
    """Leaves checked, the first broken one, and why."""
    query = (
        select(CustodyEvent)
        .where(CustodyEvent.leaf_index >= first, CustodyEvent.leaf_index < reader.size)
        .order_by(CustodyEvent.leaf_index)
        .execution_options(yield_per=1000)
    )
    with session.scalars(query) as rows:
        return _compare_rows(iter(rows), reader, first)


def _compare_rows(
    rows: Iterator[CustodyEvent], reader: TileReader, first: int
) -> tuple[int, int | None, str]:
    row = next(rows, None)
    for bundle in range(first // WIDTH, (reader.size + WIDTH - 1) // WIDTH):
        begin = bundle * WIDTH
        if problem := _unsound_tile(reader, bundle):
            return begin - first, begin, problem
        content = reader.tile(0, bundle)
        entries = reader.entries(bundle)
        for offset, entry in enumerate(entries):
            index = begin + offset
            leaf = content[offset * HASH_BYTES : (offset + 1) * HASH_BYTES]
            if merkle.leaf_hash(entry) != leaf:
                return index - first, index, f"Entry {index} is not the one that was signed."
            if row is None or row.leaf_index != index:
                return index - first, index, f"Event {index} is gone from the database."
            if row.entry != entry or _recorded(row).state != "sequenced":
                return index - first, index, f"Event {index} was altered in the database."
            row = next(rows, None)
    return reader.size - first, None, ""


def _unsound_tile(reader: TileReader, bundle: int) -> str:
    """Why tile `bundle` of level 0 does not lead up to the tiles under the root; else nothing."""
    level, index = 0, bundle
    while width_of(level, index, reader.size) == WIDTH:
        content = reader.tile(level, index)
        hashes = [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]
        level += 1
        if merkle.root_of(hashes) != reader.subtree(8 * level, index):
            return f"{tile_path(level - 1, index, WIDTH)} is not the one that was signed."
        index //= WIDTH
    return ""
