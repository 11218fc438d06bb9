"""What must hold for the server to be ready; each check gives words, or nothing when it holds."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from flask import current_app
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.models import Lease, LogHead
from evidence.custody.tiles import TileReader
from evidence.custody.waiting import oldest_unsigned
from evidence.errors import CustodyError, LogForked
from evidence.sqlite import begin_write
from evidence.storage.filesystem import MARGIN_BYTES
from server import jobs, own_log
from server.extensions import db, log_key, log_origin, store
from server.migrate import pending

Check = Callable[[], str]
# The sequencer renews its lease twice as often as it must; a stale one means no worker.
SILENT = dt.timedelta(seconds=20)
OLDER_DATABASE = (
    "the store holds tiles of a longer log than the database: an older database was put back; "
    "stop, and restore the newest backup that there is"
)
TILES_MISSING = (
    "the store does not hold the tiles of this log: it is another store, or has lost them; "
    "correct ZHENGLIAN_STORE_URL, or restore the store"
)
LATE = dt.timedelta(seconds=10)
# Of 8 MiB, which are taken from the disk at once.
_SOME_ROOM = text(
    "CREATE TEMPORARY TABLE some_room ON COMMIT DROP AS"
    " SELECT repeat('x', 1000) FROM generate_series(1, 8192)"
)
LOOKED_FOR = 10.0  # seconds after which the store is asked for the same tiles again


def database() -> str:
    missing = pending(db.engine)
    if missing:
        return f"migrations are missing: {missing}; start scripts/run again, or zhenglian-migrate"
    session = db.session()
    try:
        begin_write(session)
        # A full disk refuses nothing before a page that was changed is to be kept.
        probe = Lease(name=f"health {uuid4()}", holder="", until=clock.now())
        session.add(probe)
        session.flush()
        session.delete(probe)
        session.commit()
        _ask_for_room(session)
    except SQLAlchemyError as error:
        return f"cannot be written: {getattr(error, 'orig', error)}"
    finally:
        session.rollback()
    return ""


def had_no_room() -> None:
    """A request was refused because the database's disk is full."""
    current_app.extensions["zhenglian"]["had_no_room"] = True


def _ask_for_room(session: Session) -> None:
    """Once the database had no room, it is ready when it has some again.

    PostgreSQL puts a row where another was, and its log's file has been made in advance: the
    probe above fits on a full disk, where an upload does not.
    """
    ours = current_app.extensions["zhenglian"]
    if ours.get("had_no_room") and db.engine.dialect.name == "postgresql":
        session.execute(_SOME_ROOM)
        session.rollback()
    ours["had_no_room"] = False


def storage() -> str:
    store().check()
    room = store().room()
    if room is not None and room.free < MARGIN_BYTES:
        return f"{room.free >> 20} MiB are free: uploads are refused; free space or move the store"
    return ""


def worker() -> str:
    lease = db.session.get(Lease, "sequencer")
    if lease is None:
        return "the worker has not started yet"
    if clock.now() - lease.until > SILENT:
        return f"the worker has been silent since {lease.until:%Y-%m-%d %H:%M:%S} UTC"
    return ""


def queue() -> str:
    if jobs.waiting() is None:
        return (
            "cannot be reached: nothing is sealed; start it, free space on its disk, "
            "or correct ZHENGLIAN_QUEUE_URL"
        )
    return ""


def custody_log() -> str:
    head = db.session.get(LogHead, log_origin())
    if head is None:
        others = db.session.scalars(select(LogHead.origin))
        return own_log.other_origin(others, log_origin()) or "the log has no checkpoint yet"
    try:
        words = own_log.another(head.checkpoint, log_key(), Path("keys/log.key"))
    except CustodyError:
        words = "the log's key is missing or damaged; start again, which says what to do"
    if words:
        return words
    if older_database():
        return OLDER_DATABASE
    if not _tiles_lead_to(head):
        return TILES_MISSING
    oldest = oldest_unsigned(db.session())
    if oldest is not None and clock.now() - oldest > LATE:
        seconds = int((clock.now() - oldest).total_seconds())
        return f"the oldest event has waited {seconds} s for its checkpoint"
    return ""


def _tiles_lead_to(head: LogHead) -> bool:
    """Whether the store has the log of this head: the tiles at its end, two or three of them.

    Where they are there, the same head is not looked for again for a while.
    """
    seen: dict[bytes, float] = current_app.extensions["zhenglian"].setdefault("tiles_seen", {})
    now = time.monotonic()
    if head.size == 0 or now - seen.get(head.root, -LOOKED_FOR) < LOOKED_FOR:
        return True
    try:
        if TileReader(store(), head.size).root() != head.root:
            return False
    except LogForked:
        return False
    seen.clear()
    seen[head.root] = now
    return True


def older_database() -> bool:
    """Whether the store holds tiles of a longer log than this database knows of."""
    return own_log.rolled_back(db.session(), store())


CHECKS: dict[str, Check] = {
    "database": database,
    "storage": storage,
    "queue": queue,
    "worker": worker,
    "custody_log": custody_log,
}
