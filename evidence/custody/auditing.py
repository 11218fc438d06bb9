"""The whole log read again from its public tiles: every entry, every hash, and every event's row.

Trusts the log's key alone. The tree is built anew from the entries and compared with each tile
and with the signed root; a checkpoint that somebody kept must be the head of the same tree when it
was smaller. Memory does not grow with the log.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from evidence.custody import merkle
from evidence.custody.append import timestamp
from evidence.custody.checkpoint import Checkpoint, verify_checkpoint
from evidence.custody.models import CustodyEvent
from evidence.custody.reading import event_of, says
from evidence.custody.tiles import HASH_BYTES, WIDTH, TileReader, tile_path, width_of
from evidence.errors import CustodyError, LogForked
from evidence.storage.port import TileStore

_SHOWN = 100
_COLUMNS = (
    "leaf_index",
    "entry",
    "canonical",
    "id",
    "at",
    "kind",
    "subject_type",
    "subject_id",
    "actor_type",
    "actor_id",
    "via",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was read, and what does not hold, in words: the first hundred findings."""

    size: int
    root_hex: str
    rows: int | None  # compared with their entries; None where there was no database
    older: int  # older checkpoints that are heads of the same tree
    findings: Sequence[str]

    @property
    def whole(self) -> bool:
        return self.size > 0 and not self.findings


class _Findings(list[str]):
    def note(self, words: str) -> None:
        if len(self) < _SHOWN:
            self.append(words)


def audit(
    tiles: TileStore,
    checkpoint: str,
    verifier_keys: Sequence[str],
    *,
    older: Sequence[str] = (),
    session: Session | None = None,
) -> Audit:
    """Read the log under the signed note `checkpoint` whole; `older` are signed notes too.

    With `session`, every event's row is compared as well. Raises NoteMalformed and
    SignatureInvalid where `checkpoint` itself is not the log's, StorageUnavailable.
    """
    head = verify_checkpoint(checkpoint, *verifier_keys)
    found = _Findings()
    reader = TileReader(tiles, head.size)
    rows = None if session is None else _Rows(session, found)
    with closing(rows) if rows else nullcontext():
        _read_all(tiles, head.size, rows, found)
    held = 0
    try:
        if reader.root() != head.root:
            found.note("The tiles do not lead to the signed root.")
        held = sum(_holds(reader, note, verifier_keys, found) for note in older)
    except LogForked as error:
        found.note(str(error))
    return Audit(
        size=head.size,
        root_hex=head.root.hex(),
        rows=rows.compared if rows else None,
        older=held,
        findings=list(dict.fromkeys(found)),
    )


def _holds(reader: TileReader, note: str, verifier_keys: Sequence[str], found: _Findings) -> bool:
    """Whether a checkpoint that somebody kept is a head of this tree when it was smaller."""
    try:
        kept: Checkpoint = verify_checkpoint(note, *verifier_keys)
    except LogForked:
        raise
    except CustodyError as error:
        found.note(f"A checkpoint that was kept is not this log's: {error}")
        return False
    if kept.size > reader.size:
        found.note(f"The log is shorter than it was: {reader.size} entries, and once {kept.size}.")
        return False
    if merkle.root(reader.subtree, kept.size) != kept.root:
        found.note(f"The log has been rewritten since it had {kept.size} entries.")
        return False
    return True


def _read_all(tiles: TileStore, size: int, rows: _Rows | None, found: _Findings) -> None:
    """Every entry, and on the way every tile that the entries lead to."""
    levels: list[list[bytes]] = [[]]  # hashes of each level's tile that is not full yet
    counts = [0]
    for bundle in range((size + WIDTH - 1) // WIDTH):
        # A reader of its own: what is read of the bundle before is forgotten.
        reader = TileReader(tiles, size)
        try:
            entries = reader.entries(bundle)
            levels[0] = [merkle.leaf_hash(entry) for entry in entries]
            if rows:
                rows.compare(bundle * WIDTH, entries)
        except LogForked as error:
            found.note(str(error))
            levels[0] = _as_published(reader, bundle, found)
            if rows:
                rows.leave_out((bundle + 1) * WIDTH)
        _close_tiles(tiles, levels, counts, found)
    for level, hashes in enumerate(levels):
        if hashes:
            _compare_tile(tiles, level, counts[level], hashes, found)


def _as_published(reader: TileReader, bundle: int, found: _Findings) -> list[bytes]:
    """What the tile says of entries that cannot be read, so that the rest still is."""
    width = width_of(0, bundle, reader.size)
    try:
        content = reader.tile(0, bundle)
    except LogForked as error:
        found.note(str(error))
        content = bytes(width * HASH_BYTES)
    return [content[i : i + HASH_BYTES] for i in range(0, len(content), HASH_BYTES)]


def _close_tiles(
    tiles: TileStore, levels: list[list[bytes]], counts: list[int], found: _Findings
) -> None:
    """Compare each tile that is full, and carry its root upwards."""
    level = 0
    while len(levels[level]) == WIDTH:
        hashes, levels[level] = levels[level], []
        _compare_tile(tiles, level, counts[level], hashes, found)
        counts[level] += 1
        level += 1
        if level == len(levels):
            levels.append([])
            counts.append(0)
        levels[level].append(merkle.root_of(hashes))


def _compare_tile(
    tiles: TileStore, level: int, index: int, hashes: Sequence[bytes], found: _Findings
) -> None:
    path = tile_path(level, index, len(hashes))
    content = tiles.tile(path)
    if content == b"".join(hashes):
        return
    if content is None or len(content) != len(hashes) * HASH_BYTES:
        found.note(f"{path} is missing or has another length.")
        return
    for i, digest in enumerate(hashes):
        if content[i * HASH_BYTES : (i + 1) * HASH_BYTES] != digest:
            what = f"entry {index * WIDTH + i}" if level == 0 else f"the tiles below, at hash {i}"
            found.note(f"{path} contradicts {what}.")
            return


class _Rows:
    """The events of the database beside their entries, both in the order of the leaves."""

    def __init__(self, session: Session, found: _Findings) -> None:
        # As the database has them: a conversion costs more than all the rest, and chokes on what
        # no column of that kind can hold.
        table = CustodyEvent.__table__
        query = (
            select(*(type_coerce(table.c[name], NullType()) for name in _COLUMNS))
            .where(CustodyEvent.leaf_index.is_not(None))
            .order_by(CustodyEvent.leaf_index)
            .execution_options(yield_per=2000)
        )
        self._result = session.execute(query)
        self._rows = iter(self._result)
        self._found = found
        self.compared = 0
        self._step()

    def _step(self) -> None:
        """To the next row; its index is beyond every leaf where there is none."""
        self._next = next(self._rows, None)
        index = self._next[0] if self._next is not None else None
        self._index = index if isinstance(index, int) else sys.maxsize

    def close(self) -> None:
        self._result.close()

    def leave_out(self, until: int) -> None:
        """Events of entries that could not be read."""
        while self._index < until:
            self._step()

    def compare(self, first: int, entries: Iterable[bytes]) -> None:
        for index, entry in enumerate(entries, first):
            while self._index < index:
                self._found.note(f"Event {self._index} stands there twice.")
                self._step()
            if self._next is None or self._index != index:
                self._found.note(f"Event {index} is gone from the database.")
                continue
            self._compare_one(self._next, entry)
            self.compared += 1
            self._step()

    def _compare_one(self, row: Sequence[Any], entry: bytes) -> None:
        index, kept, canonical, *columns = row
        said = event_of(canonical)
        if kept != entry:
            self._found.note(f"Event {index} is not the one that was published.")
        elif said is None or sha256(canonical).digest() != entry:
            self._found.note(f"Event {index} was altered in the database: its bytes.")
        elif not says(said, _columns(*columns)):
            self._found.note(
                f"Event {index} was altered in the database: a column beside its bytes."
            )


def _columns(
    event_id: Any, at: Any, kind: Any, subject_type: Any, subject_id: Any, *actor: Any
) -> dict[str, Any]:
    """What the columns beside the bytes say, as an event says it."""
    actor_type, actor_id, via = actor
    return {
        "v": 1,
        "id": _identifier(event_id),
        "at": timestamp(at) if isinstance(at, dt.datetime) else _moment(str(at)),
        "kind": kind,
        "subject": {"type": subject_type, "id": _identifier(subject_id)},
        "actor": {"type": actor_type, "id": _identifier(actor_id), "via": via},
    }


def _identifier(value: Any) -> str:
    """SQLite keeps a UUID as 32 hexadecimal digits."""
    v = str(value)
    return v if len(v) != 32 else f"{v[:8]}-{v[8:12]}-{v[12:16]}-{v[16:20]}-{v[20:]}"


def _moment(kept: str) -> str:
    """SQLite keeps a time in UTC, with a space and without a Z."""
    return f"{kept[:10]}T{kept[11:]}Z"
