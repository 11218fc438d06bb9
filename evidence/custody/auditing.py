"""The whole log read again from its public tiles: every entry, every hash, and every event's row.

Trusts the log's key alone. The tree is built anew from the entries and compared with each tile
and with the signed root; a checkpoint that somebody kept must be the head of the same tree when it
was smaller. Memory does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody import merkle
from evidence.custody.checkpoint import Checkpoint, verify_checkpoint
from evidence.custody.models import CustodyEvent
from evidence.custody.reading import why_not_the_entry
from evidence.custody.tiles import HASH_BYTES, WIDTH, TileReader, tile_path, width_of
from evidence.errors import CustodyError, LogForked
from evidence.storage.port import TileStore

_SHOWN = 100


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
    verifier_key: str,
    *,
    older: Sequence[str] = (),
    session: Session | None = None,
) -> Audit:
    """Read the log under the signed note `checkpoint` whole; `older` are signed notes too.

    With `session`, every event's row is compared as well. Raises NoteMalformed and
    SignatureInvalid where `checkpoint` itself is not the log's, StorageUnavailable.
    """
    head = verify_checkpoint(checkpoint, verifier_key)
    found = _Findings()
    reader = TileReader(tiles, head.size)
    rows = None if session is None else _Rows(session, found)
    _read_all(tiles, head.size, rows, found)
    held = 0
    try:
        if reader.root() != head.root:
            found.note("The tiles do not lead to the signed root.")
        held = sum(_holds(reader, note, verifier_key, found) for note in older)
    except LogForked as error:
        found.note(str(error))
    return Audit(
        size=head.size,
        root_hex=head.root.hex(),
        rows=rows.compared if rows else None,
        older=held,
        findings=list(dict.fromkeys(found)),
    )


def _holds(reader: TileReader, note: str, verifier_key: str, found: _Findings) -> bool:
    """Whether a checkpoint that somebody kept is a head of this tree when it was smaller."""
    try:
        kept: Checkpoint = verify_checkpoint(note, verifier_key)
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
        self._found = found
        self._rows = self._ordered(session)
        self.compared = 0
        self._readable = True
        self._advance()

    @staticmethod
    def _ordered(session: Session) -> Iterator[CustodyEvent]:
        # Columns, not objects: they have the same names, and cost a third.
        query = (
            select(*CustodyEvent.__table__.columns)
            .where(CustodyEvent.leaf_index.is_not(None))
            .order_by(CustodyEvent.leaf_index)
            .execution_options(yield_per=2000)
        )
        return iter(session.execute(query))  # type: ignore[arg-type]

    def _advance(self) -> None:
        """To the next row; what no column of that kind can hold ends the comparison."""
        self._next: CustodyEvent | None = None
        try:
            self._next = next(self._rows, None)
        except (TypeError, ValueError):
            self._readable = False
            self._found.note(f"From event {self.compared} on a row holds what cannot be read.")

    def leave_out(self, until: int) -> None:
        """Events of entries that could not be read."""
        while self._next is not None and (self._next.leaf_index or 0) < until:
            self._advance()

    def compare(self, first: int, entries: Iterable[bytes]) -> None:
        for index, entry in enumerate(entries, first):
            while self._next is not None and (self._next.leaf_index or 0) < index:
                self._found.note(f"Event {self._next.leaf_index} stands there twice.")
                self._advance()
            row = self._next
            if not self._readable:
                return
            if row is None or row.leaf_index != index:
                self._found.note(f"Event {index} is gone from the database.")
                continue
            if row.entry != entry:
                self._found.note(f"Event {index} is not the one that was published.")
            elif why := why_not_the_entry(row):
                self._found.note(f"Event {index} was altered in the database: {why}.")
            self.compared += 1
            self._advance()
