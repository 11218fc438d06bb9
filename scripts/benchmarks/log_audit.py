"""Reading a log of a million events again: its tiles alone, and every event's row beside them."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import rfc8785
from sqlalchemy import Engine, create_engine, insert, text
from sqlalchemy.orm import Session

from evidence.base import Base
from evidence.custody.append import timestamp
from evidence.custody.auditing import audit
from evidence.custody.checkpoint import Checkpoint
from evidence.custody.models import CustodyEvent
from evidence.custody.note import Signer
from evidence.custody.tiles import TileReader, grow
from evidence.people.actor import SYSTEM
from evidence.sqlite import prepare
from evidence.storage.filesystem import FilesystemStore

EVENTS = 1_000_000
_BATCH = 20_000
_START = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)


def _event(index: int) -> dict[str, Any]:
    at, event_id, subject = _START + dt.timedelta(seconds=index), uuid4(), uuid4()
    canonical = rfc8785.dumps(
        {
            "v": 1,
            "id": str(event_id),
            "at": timestamp(at),
            "kind": "exhibit:viewed",
            "subject": {"type": "exhibit", "id": str(subject)},
            "actor": {"type": "system", "id": str(SYSTEM.id), "via": SYSTEM.via.value},
            "details": {},
            "salt": base64.b64encode(os.urandom(16)).decode(),
        }
    )
    return {
        "id": event_id,
        "at": at,
        "kind": "exhibit:viewed",
        "subject_type": "exhibit",
        "subject_id": subject,
        "actor_type": "system",
        "actor_id": SYSTEM.id,
        "via": SYSTEM.via.value,
        "canonical": canonical,
        "entry": hashlib.sha256(canonical).digest(),
        "leaf_index": index,
    }


def _without_triggers(engine: Engine) -> None:
    """Events with their places already given are refused otherwise, as they should be."""
    with engine.begin() as connection:
        names = connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        for name in names.all():
            connection.execute(text(f'DROP TRIGGER "{name}"'))


def run(folder: Path) -> dict[str, object]:
    """Seconds for EVENTS events, with the tiles on disk and the rows in SQLite."""
    engine = prepare(create_engine(f"sqlite:///{folder / 'bench.db'}"))
    Base.metadata.create_all(engine)
    _without_triggers(engine)
    store, signer = FilesystemStore(folder / "store"), Signer("bench.example/log", bytes(32))
    with Session(engine) as session:
        for begin in range(0, EVENTS, _BATCH):
            rows = [_event(index) for index in range(begin, begin + _BATCH)]
            session.execute(insert(CustodyEvent), rows)
            session.commit()
            added, root = grow(store, begin, [row["entry"] for row in rows])
            for path, content in added.items():
                store.put_tile(path, content)
        note = signer.sign(Checkpoint(origin=signer.name, size=EVENTS, root=root).text())
        seconds = {}
        for name, rows_too in (("tiles", None), ("tiles_and_rows", session)):
            began = time.perf_counter()
            found = audit(store, note, signer.verifier_keys, session=rows_too)
            seconds[name] = round(time.perf_counter() - began, 1)
            if not found.whole:
                raise RuntimeError(found.findings[0])
    reader, times = TileReader(store, EVENTS), []
    for index in range(0, EVENTS, EVENTS // 500):
        reader = TileReader(store, EVENTS)
        began = time.perf_counter()
        reader.inclusion(index)
        times.append(time.perf_counter() - began)
    engine.dispose()
    return {
        "events": EVENTS,
        "tiles_s": seconds["tiles"],
        "tiles_and_rows_s": seconds["tiles_and_rows"],
        "target_s": 20,
        "inclusion_proof_p95_ms": round(sorted(times)[int(0.95 * len(times))] * 1000, 2),
    }
