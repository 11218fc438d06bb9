"""100,000 custody events appended and sequenced on a fresh database and store.

Measured apart: one event a transaction and 20 a transaction, each with the sequencer's loop
running beside, as in the worker; and from commit to signed checkpoint, as seen by the writer. On
SQLite one process writes, on PostgreSQL WRITERS of them, each about exhibits of its own.
"""

from __future__ import annotations

import bisect
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, sessionmaker

import evidence.cases.models
import evidence.custody.guards
import evidence.exhibits.models
import evidence.inspections.models
import evidence.uploads.models  # noqa: F401  (every table is known before they are made)
from evidence.base import Base
from evidence.custody.append import append, append_each
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.custody.note import Signer
from evidence.custody.sequencer import BATCH, Sequencer
from evidence.people.actor import SYSTEM
from evidence.sqlite import begin_write, prepare
from evidence.storage.filesystem import FilesystemStore
from scripts.benchmarks.postgresql import Cluster

EVENTS = 100_000
WRITERS = 8  # processes, on PostgreSQL
LOOP_SECONDS = 0.1  # how often the worker calls the sequencer
EXHIBITS = [uuid4() for _ in range(1000)]


def _sequence(url: str, folder: Path, total: int, signed: Connection) -> None:
    """The worker's loop, in a process of its own; sends how many were signed, and when."""
    signer = Signer("bench.example/log", bytes(range(32)))
    sequencer = Sequencer(_sessions(url), FilesystemStore(folder / "store"), signer, "bench")
    size, heads = 0, []
    while size < total:
        done = sequencer.run_once()
        size += done
        if done:
            heads.append((size, time.monotonic()))
        if done < BATCH:
            time.sleep(LOOP_SECONDS)
    signed.send(heads)


def _sessions(url: str) -> sessionmaker[Session]:
    return sessionmaker(prepare(create_engine(url)), expire_on_commit=False)


def _append(url: str, exhibits: list[UUID], total: int, each: int, told: Connection) -> None:
    """A writer; sends when it began, when each transaction was committed, and its last event."""
    sessions, subjects, commits = _sessions(url), itertools.cycle(exhibits), []
    with sessions() as session:
        session.scalar(select(CustodyEvent.id).limit(1))
    told.send(None)
    told.recv()
    begun = time.monotonic()
    for begin in range(0, total, each):
        with sessions() as session:
            begin_write(session)
            about = list(itertools.islice(subjects, min(each, total - begin)))
            if each == 1:
                event_id = append(session, Kind.EXHIBIT_VIEWED, about[0], SYSTEM)
            else:
                details: dict[UUID, dict[str, Any]] = {subject: {} for subject in about}
                event_id = append_each(session, Kind.EXHIBIT_VIEWED, details, SYSTEM)[-1]
            session.commit()
            commits.append((time.monotonic(), event_id))
    told.send((begun, commits))


def _appended(
    url: str, writers: int, each: int, events: int
) -> tuple[float, list[tuple[float, UUID]]]:
    """When the first of the writers began, and every commit of theirs."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    for number in range(writers):
        ours, theirs = context.Pipe()
        arguments = (url, EXHIBITS[number::writers], events // writers, each, theirs)
        context.Process(target=_append, args=arguments, daemon=True).start()
        theirs.close()  # so that a writer's end is noticed
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send(None)
    told = [pipe.recv() for pipe in pipes]
    return min(begun for begun, _ in told), [at for _, commits in told for at in commits]


def case(url: str, folder: Path, writers: int, each: int, events: int = EVENTS) -> dict[str, Any]:
    """Append `events` to the empty database at `url`, and have them sequenced meanwhile."""
    engine = prepare(create_engine(url))
    Base.metadata.create_all(engine)
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    total = events // writers * writers + 1  # and log:started
    worker = context.Process(target=_sequence, args=(url, folder, total, sender), daemon=True)
    worker.start()
    sender.close()
    begun, commits = _appended(url, writers, each, events)
    heads = receiver.recv()
    worker.join()
    with Session(engine) as session:
        places = dict(session.execute(select(CustodyEvent.id, CustodyEvent.leaf_index)).all())
    engine.dispose()
    sizes = [size for size, _ in heads]
    delays = [heads[bisect.bisect_right(sizes, places[id])][1] - at for at, id in commits]
    cuts = statistics.quantiles(delays, n=100)
    appended = max(at for at, _ in commits) - begun
    return {
        "events_a_transaction": each,
        "appended_per_second": round((total - 1) / appended),
        "sequenced_per_second": round((total - 1) / (heads[-1][1] - begun)),
        "commit_to_checkpoint_p50_ms": round(cuts[49] * 1000),
        "commit_to_checkpoint_p99_ms": round(cuts[98] * 1000),
        "checkpoints": len(heads),
    }


def _on(database: str, folder: Path) -> dict[str, Any]:
    writers = WRITERS if database == "postgresql" else 1
    cases = []
    for each in (1, 20):
        (scratch := folder / f"{database}-{each}").mkdir()
        with ExitStack() as stack:
            url = f"sqlite:///{scratch / 'bench.db'}"
            if database == "postgresql":
                url = stack.enter_context(Cluster()).url
            cases.append(case(url, scratch, writers, each))
    return {"database": database, "events": EVENTS, "writers": writers, "cases": cases}


def run(folder: Path, databases: Sequence[str] = ("sqlite",)) -> Iterator[dict[str, Any]]:
    """Both cases, over EVENTS events each, on each of the databases."""
    for database in databases:
        yield _on(database, folder)
