"""100,000 custody events appended and sequenced on a fresh database and store.

Measured apart: one event a transaction and 20 a transaction, each with the sequencer's loop
running beside, as in the worker; and from commit to signed checkpoint, as seen by the writer.
"""

from __future__ import annotations

import bisect
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, sessionmaker

import evidence.cases.models
import evidence.custody.guards
import evidence.exhibits.models
import evidence.inspections.models
import evidence.uploads.models  # noqa: F401  (every table is known before they are made)
from evidence.base import Base
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.custody.note import Signer
from evidence.custody.sequencer import BATCH, Sequencer
from evidence.people.actor import SYSTEM
from evidence.sqlite import begin_write, prepare
from evidence.storage.filesystem import FilesystemStore

EVENTS = 100_000
LOOP_SECONDS = 0.1  # how often the worker calls the sequencer
EXHIBITS = [uuid4() for _ in range(1000)]


def _sequence(folder: Path, total: int, signed: Connection) -> None:
    """The worker's loop, in a process of its own; sends how many were signed, and when."""
    signer = Signer("bench.example/log", bytes(range(32)))
    sequencer = Sequencer(_sessions(folder), FilesystemStore(folder / "store"), signer, "bench")
    size, heads = 0, []
    while size < total:
        done = sequencer.run_once()
        size += done
        if done:
            heads.append((size, time.monotonic()))
        if done < BATCH:
            time.sleep(LOOP_SECONDS)
    signed.send(heads)


def _sessions(folder: Path) -> sessionmaker[Session]:
    engine = prepare(create_engine(f"sqlite:///{folder / 'bench.db'}"))
    return sessionmaker(engine, expire_on_commit=False)


def _appended(sessions: sessionmaker[Session], total: int, each: int) -> list[tuple[float, int]]:
    """When each transaction was committed, and the last position in it."""
    commits = []
    for begin in range(0, total, each):
        with sessions() as session:
            begin_write(session)
            for number in range(begin, min(begin + each, total)):
                event = append(session, Kind.EXHIBIT_VIEWED, EXHIBITS[number % 1000], SYSTEM)
            session.commit()
            commits.append((time.monotonic(), event.position))
    return commits


def _case(folder: Path, each: int) -> dict[str, object]:
    folder.mkdir()
    sessions = _sessions(folder)
    with sessions() as session:
        Base.metadata.create_all(session.connection())
        session.commit()
    processes = multiprocessing.get_context("spawn")
    receiver, sender = processes.Pipe(duplex=False)
    total = EVENTS + 1  # and log:started
    worker = processes.Process(target=_sequence, args=(folder, total, sender), daemon=True)
    worker.start()
    begun = time.monotonic()
    commits = _appended(sessions, EVENTS, each)
    appended = time.monotonic() - begun
    sender.close()
    heads = receiver.recv()
    worker.join()
    with sessions() as session:
        places = dict(session.execute(select(CustodyEvent.position, CustodyEvent.leaf_index)).all())
    sizes = [size for size, _ in heads]
    delays = [heads[bisect.bisect_right(sizes, places[p])][1] - at for at, p in commits]
    cuts = statistics.quantiles(delays, n=100)
    return {
        "events_a_transaction": each,
        "appended_per_second": round(EVENTS / appended),
        "sequenced_per_second": round(EVENTS / (heads[-1][1] - begun)),
        "commit_to_checkpoint_p50_ms": round(cuts[49] * 1000),
        "commit_to_checkpoint_p99_ms": round(cuts[98] * 1000),
        "checkpoints": len(heads),
    }


def run(folder: Path) -> dict[str, object]:
    """Both cases, over EVENTS events each."""
    return {
        "events": EVENTS,
        "cases": [_case(folder / f"each{each}", each) for each in (1, 20)],
    }
