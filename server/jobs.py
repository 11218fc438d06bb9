"""Work that no request waits for, on Huey. A job takes an identifier, and may be done twice.

A job that a crash lost is found again (server/sweeping.py), from the state of the rows: the queue
is a convenience, the database is the truth.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from flask import Flask, current_app
from huey import MemoryHuey, PriorityRedisHuey, SqliteHuey
from huey.api import Huey, Task
from huey.serializer import SignedSerializer

from evidence.exhibits import fixity
from evidence.exhibits.media_facts import record_media
from evidence.exhibits.models import Exhibit, ExhibitState, MediaState
from evidence.exhibits.reading import read
from server import rereading, troubles
from server.extensions import db, store
from server.in_hand import InHand
from server.unit_of_work import unit_of_work

log = logging.getLogger(__name__)

# Retries of each task, and its priority: what is not sealed yet goes before any picture.
_TASKS = {"seal": (5, 10), "make_dossier": (5, 5), "read_media": (2, 0), "read_again": (0, -10)}
_reading = InHand()
_making = InHand()
_reading_again = InHand()


def init(app: Flask) -> None:
    """Give `app` its queue and the tasks on it."""
    url = app.extensions["zhenglian"]["settings"].queue_url
    parts = urlsplit(url)
    # A task is a pickle: unsigned, who reaches Redis could have the worker run what he likes.
    signed = SignedSerializer(app.config["SECRET_KEY"], salt="zhenglian jobs")
    queue: Huey
    if parts.scheme == "memory":
        queue = MemoryHuey("zhenglian", immediate=False, serializer=signed)
    elif parts.scheme in ("redis", "rediss"):
        from redis import ConnectionPool  # memory that one box can do without

        pool = ConnectionPool.from_url(url, socket_connect_timeout=2, socket_timeout=10)
        queue = PriorityRedisHuey("zhenglian", connection_pool=pool, serializer=signed)
    else:
        filename = str(Path(unquote(parts.path)))
        queue = SqliteHuey("zhenglian", filename=filename, fsync=False, serializer=signed)

    def within_app(name: str, work: Callable[[UUID, bool], None]) -> Callable[..., None]:
        def run(identifier: str, task: Task) -> None:
            subject = UUID(identifier)
            with app.app_context():
                try:
                    work(subject, task.retries == 0)
                except Exception as error:
                    db.session.rollback()
                    troubles.note(name, subject, error)
                    raise
                troubles.forget(name, subject)

        return run

    tasks = {
        name: queue.task(
            retries=_TASKS[name][0],
            priority=_TASKS[name][1],
            retry_delay=2,
            retry_backoff=2,
            name=name,
            context=True,
        )(within_app(name, work))
        for name, work in (
            ("seal", _seal),
            ("read_media", _read_media),
            ("read_again", _read_again),
            ("make_dossier", _make_dossier),
        )
    }
    app.extensions["zhenglian"]["queue"] = queue
    app.extensions["zhenglian"]["tasks"] = tasks


def queue_of(app: Flask) -> Huey:
    found: Huey = app.extensions["zhenglian"]["queue"]
    return found


def waiting() -> int | None:
    """How many jobs wait in the queue; None where it cannot be reached, or takes none."""
    queue = queue_of(current_app)
    try:
        if isinstance(queue, PriorityRedisHuey):
            queue.storage.conn.ping()  # which a Redis whose disk is full refuses; it would count
        return int(queue.pending_count())
    except Exception:  # noqa: BLE001  (each queue has errors of its own)
        return None


def _enqueue(name: str, identifier: UUID) -> None:
    tasks: dict[str, Any] = current_app.extensions["zhenglian"]["tasks"]
    try:
        tasks[name](str(identifier))
    except Exception as error:  # noqa: BLE001  (each queue has errors of its own)
        # The sweep will find it: what was acknowledged does not depend on the queue.
        log.error("%s of %s could not be enqueued: %s", name, identifier, error)


def seal(upload_id: UUID) -> None:
    """Have an upload sealed."""
    _enqueue("seal", upload_id)


def read_media(exhibit_id: UUID) -> None:
    """Have an exhibit's facts read and its poster made."""
    _enqueue("read_media", exhibit_id)


def read_again(exhibit_id: UUID) -> None:
    """Have an exhibit's original read again, before its turn; kept until it was."""
    with unit_of_work() as session:
        fixity.ask(session, exhibit_id)
    read_as_asked(exhibit_id)


def read_as_asked(exhibit_id: UUID) -> None:
    """Have it read as it was asked for before."""
    _enqueue("read_again", exhibit_id)


def make_dossier(dossier_id: UUID) -> None:
    """Have a dossier put together."""
    _enqueue("make_dossier", dossier_id)


def _make_dossier(dossier_id: UUID, last: bool) -> None:
    from server import dossiers

    with _making.take(dossier_id) as free:
        if not free:
            return
        try:
            dossiers.make(dossier_id)
        except Exception as error:
            db.session.rollback()
            if not last:
                raise
            # Nothing tries it again: the dossier itself says so, to whoever asked for it.
            log.exception("a dossier was given up")
            dossiers.give_up(dossier_id, str(error))


def _read_again(exhibit_id: UUID, last: bool) -> None:
    with _reading_again.take(exhibit_id) as free:
        if free:
            rereading.check_exhibit(exhibit_id)


def _seal(upload_id: UUID, last: bool) -> None:
    from server import sealing

    sealing.seal_upload(upload_id)


def _read_media(exhibit_id: UUID, last: bool) -> None:
    with _reading.take(exhibit_id) as free:
        if free:
            read_media_now(exhibit_id, give_up=last)


def read_media_now(exhibit_id: UUID, *, give_up: bool = False) -> None:
    """Read an exhibit with the media tools. Raises MediaToolFailed, StorageError: try again.

    With `give_up`, what takes too much time or memory is written down as unreadable.
    """
    exhibit = db.session.get(Exhibit, exhibit_id)
    if exhibit is None or exhibit.media_state is not MediaState.PENDING:
        return
    if exhibit.state is not ExhibitState.SEALED:
        return
    sha256, filename = exhibit.sha256, exhibit.filename
    db.session.rollback()
    reading = read(store(), sha256, filename, give_up=give_up)
    with unit_of_work() as session:
        record_media(session, session.get_one(Exhibit, exhibit_id), reading)
