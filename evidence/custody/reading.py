"""Reading the log: events as their canonical bytes say them, and whether the log still holds.

The columns beside the canonical bytes are an index that an administrator could change: every
event read is compared with its bytes, and shown as altered where they differ.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Integer, Row, column, select, text
from sqlalchemy.orm import Session

from evidence.custody import merkle
from evidence.custody.append import timestamp
from evidence.custody.checkpoint import verify_checkpoint
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent, LogHead
from evidence.custody.tiles import HASH_BYTES, WIDTH, TileReader, tile_path, width_of
from evidence.errors import CustodyError, StorageError
from evidence.storage.port import TileStore

State = Literal["sequenced", "pending", "altered"]

# Rows to be read once: as entities of a session they would take half as long again.
_EVENTS = CustodyEvent.__table__
# Of the newest events, so many at first, and twice as many each time that more are asked for.
_AT_FIRST = 4
_NAMES = ", ".join(f"e.{column.name}" for column in _EVENTS.c)
# Of several subjects in one statement, made once: it is the same for any number of them.
_NEWEST_OF_EACH = {
    "sqlite": f"""SELECT asked.key, {_NAMES} FROM json_each(:asked) AS asked
JOIN custody_events AS e ON e.position IN (SELECT position FROM custody_events
 WHERE subject_id = json_extract(asked.value, '$[0]')
 AND position < json_extract(asked.value, '$[1]') ORDER BY position DESC LIMIT :count)
ORDER BY e.position DESC""",  # noqa: S608
    "postgresql": f"""SELECT asked.key - 1, {_NAMES}
FROM json_array_elements(CAST(:asked AS json)) WITH ORDINALITY AS asked (value, key)
CROSS JOIN LATERAL (SELECT * FROM custody_events
 WHERE subject_id = CAST(asked.value ->> 0 AS uuid)
 AND position < CAST(asked.value ->> 1 AS bigint) ORDER BY position DESC LIMIT :count) AS e
ORDER BY e.position DESC""",  # noqa: S608
}
_NEWEST = {
    dialect: text(asking).columns(column("place", Integer), *_EVENTS.c)
    for dialect, asking in _NEWEST_OF_EACH.items()
}


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


def events_of(
    session: Session, subject_ids: Iterable[UUID], kinds: Collection[Kind] = ()
) -> list[RecordedEvent]:
    """Every event about these subjects, in position order; of `kinds`, where some are named."""
    query = select(_EVENTS).where(_EVENTS.c.subject_id.in_(list(subject_ids)))
    if kinds:
        query = query.where(_EVENTS.c.kind.in_([kind.value for kind in kinds]))
    return [_recorded(row) for row in session.execute(query.order_by(_EVENTS.c.position)).all()]


def newest_of_each(
    session: Session, asked: Sequence[tuple[UUID, int]]
) -> list[Iterator[RecordedEvent]]:
    """Of each subject, its events below the position beside it, the newest first.

    Read as they are asked for: the first few of all of them at once, more of each by itself.
    """
    return [
        _onwards(session, subject_id, rows)
        for (subject_id, _), rows in zip(asked, _newest(session, asked, _AT_FIRST), strict=True)
    ]


def _onwards(
    session: Session, subject_id: UUID, rows: Sequence[Sequence[Any]]
) -> Iterator[RecordedEvent]:
    count = _AT_FIRST
    while True:
        yield from map(_recorded, rows)
        if len(rows) < count:
            return
        count *= 2
        rows = _newest(session, [(subject_id, rows[-1][0])], count)[0]


def _newest(
    session: Session, asked: Sequence[tuple[UUID, int]], count: int
) -> list[list[Sequence[Any]]]:
    found: list[list[Sequence[Any]]] = [[] for _ in asked]
    said = json.dumps([(subject_id.hex, before) for subject_id, before in asked])
    query = _NEWEST[session.get_bind().dialect.name]
    for place, *row in session.execute(query, {"asked": said, "count": count}).all():
        found[place].append(row)
    return found


def _recorded(row: Sequence[Any]) -> RecordedEvent:
    """Of all columns, in their order. Taken apart at once: by name each would take as long."""
    position, event_id, at, kind, subject_type, subject_id, *others = row
    actor_type, actor_id, via, canonical, entry, leaf_index = others
    columns = {
        "v": 1,
        "id": str(event_id),
        "at": timestamp(at),
        "kind": kind,
        "subject": {"type": subject_type, "id": str(subject_id)},
        "actor": {"type": actor_type, "id": str(actor_id), "via": via},
    }
    said = event_of(canonical) or {}
    intact = says(said, columns) and hashlib.sha256(canonical).digest() == entry
    details = said.get("details")
    return RecordedEvent(
        position=position,
        leaf_index=leaf_index,
        at=at,
        kind=kind,
        subject_type=subject_type,
        subject_id=subject_id,
        actor_type=actor_type,
        actor_id=actor_id,
        via=via,
        details=details if isinstance(details, dict) else {},
        entry_hex=entry.hex(),
        state="altered" if not intact else "pending" if leaf_index is None else "sequenced",
    )


def event_of(canonical: bytes) -> dict[str, Any] | None:
    """The event that these bytes are; None where they are none."""
    try:
        said = json.loads(canonical.decode())
    except (ValueError, AttributeError):
        return None  # a database that was meddled with may hold a text where bytes belong
    return said if isinstance(said, dict) else None


def says(said: Mapping[str, Any], columns: Mapping[str, Any]) -> bool:
    """Whether an event says exactly what the columns beside it do."""
    # What has no column of its own says itself.
    own = said.keys() - columns.keys()
    return own == {"details", "salt"} and columns.items() <= said.items()


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
        select(_EVENTS)
        .where(_EVENTS.c.leaf_index >= first, _EVENTS.c.leaf_index < reader.size)
        .order_by(_EVENTS.c.leaf_index)
        .execution_options(yield_per=1000)
    )
    with session.execute(query) as rows:
        return _compare_rows(iter(rows), reader, first)


def _compare_rows(
    rows: Iterator[Row[Any]], reader: TileReader, first: int
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
