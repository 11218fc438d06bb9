"""The custody log at size: read whole, proven from, added to, and taken out in dossiers."""

from __future__ import annotations

import hashlib
import itertools
import time
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

from evidence.base import Base
from evidence.custody import merkle
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.note import Signer
from evidence.custody.sequencer import Sequencer
from evidence.custody.tiles import TileReader, grow
from evidence.people.actor import SYSTEM
from evidence.sqlite import begin_write, prepare
from evidence.storage.filesystem import FilesystemStore
from scripts.benchmarks import export, log_audit
from scripts.benchmarks.custody import EXHIBITS

LEAVES = 10_000_000
PROOFS = 2000
EVENTS = 100_000
_BATCH = 65_536  # whole tiles: no bundle of entries has to be read again


class _InAHurry(FilesystemStore):
    """Writes tiles without waiting for the disk: only reading them is measured."""

    def put_tile(self, path: str, content: bytes) -> None:
        if path.startswith("tile/entries/"):
            return
        target = self.root / "log" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _tree(folder: Path) -> dict[str, object]:
    """Inclusion proofs out of a tree of LEAVES, each by a reader that has read nothing yet."""
    store = _InAHurry(folder / "tree")
    size = 0
    while size < LEAVES:
        count = min(_BATCH, LEAVES - size)
        entries = [hashlib.sha256(n.to_bytes(8, "big")).digest() for n in range(size, size + count)]
        added, root = grow(store, size, entries)
        for path, content in added.items():
            store.put_tile(path, content)
        size += count
    times = []
    for index in range(7, LEAVES, LEAVES // PROOFS):
        began = time.perf_counter()
        proof = TileReader(store, LEAVES).inclusion(index)
        times.append(time.perf_counter() - began)
        entry = hashlib.sha256(index.to_bytes(8, "big")).digest()
        merkle.verify_inclusion(merkle.leaf_hash(entry), index, LEAVES, proof, root)
    times.sort()
    return {
        "leaves": LEAVES,
        "proof_p50_ms": round(times[len(times) // 2] * 1000, 2),
        "proof_p95_ms": round(times[int(0.95 * len(times))] * 1000, 2),
        "target_ms": 5,
    }


def _sequencing(folder: Path) -> dict[str, object]:
    """Events a second that get their places and a signed head, once they are committed."""
    engine = prepare(create_engine(f"sqlite:///{folder / 'bench.db'}"))
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine, expire_on_commit=False)
    _fill(sessions)
    signer = Signer("bench.example/log", bytes(32))
    sequencer = Sequencer(sessions, FilesystemStore(folder / "store"), signer, "bench")
    began, batches = time.perf_counter(), 0
    while sequencer.run_once():
        batches += 1
    seconds = time.perf_counter() - began
    engine.dispose()
    return {
        "events": EVENTS,
        "batches": batches,
        "per_second": round(EVENTS / seconds),
        "target_per_second": 5000,
    }


def _fill(sessions: sessionmaker[Session]) -> None:
    subjects = itertools.cycle(EXHIBITS)
    for _ in range(0, EVENTS, 2000):
        with sessions() as session:
            begin_write(session)
            for _ in range(2000):
                append(session, Kind.EXHIBIT_VIEWED, next(subjects), SYSTEM)
            session.commit()


def run(folder: Path) -> dict[str, object]:
    """Each in a folder of its own."""
    found: dict[str, object] = {}
    for name, measure in (
        ("tree", _tree),
        ("sequencing", _sequencing),
        ("export", export.run),
        ("audit", log_audit.run),
    ):
        (folder / name).mkdir()
        found[name] = measure(folder / name)
    return found
