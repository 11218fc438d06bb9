"""Writes that fail to order, beside those of the store: the database's commit and the queue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask

from evidence.storage.memory import Fault, MemoryStore, Operation
from server import jobs
from server.extensions import db

BOTH: tuple[Fault, ...] = ("lost", "done but not reported")


class NotReported(Exception):
    """What a caller sees of a write that failed."""


@contextmanager
def ordered(memory: MemoryStore, operation: Any, fault: Fault) -> Iterator[None]:
    """One of the store's writes fails."""
    chosen: Operation = operation
    memory.faults[chosen] = fault
    try:
        yield
    finally:
        memory.faults.clear()


@contextmanager
def failing_commit(fault: Fault) -> Iterator[None]:
    """Every commit fails: before anything is kept, or after all of it is."""

    dialect: Any = db.engine.dialect
    commit = dialect.do_commit

    def fail(connection: Any) -> None:
        if fault != "lost":
            commit(connection)
        raise NotReported

    dialect.do_commit = fail
    try:
        yield
    finally:
        dialect.do_commit = commit


@contextmanager
def failing_rollback(app: Flask) -> Iterator[None]:
    """The database has gone when a reading transaction is to end."""
    with app.app_context():
        dialect: Any = db.engine.dialect
    rollback = dialect.do_rollback

    def fail(_: Any) -> None:
        raise dialect.dbapi.OperationalError("the connection is closed")

    dialect.do_rollback = fail
    try:
        yield
    finally:
        dialect.do_rollback = rollback


@contextmanager
def failing_queue(app: Flask, fault: Fault) -> Iterator[None]:
    """The queue's own storage refuses: before the job is in it, or after."""
    storage = jobs.queue_of(app).storage
    enqueue = storage.enqueue

    def fail(data: bytes, priority: Any = None) -> None:
        if fault != "lost":
            enqueue(data, priority)
        raise NotReported

    storage.enqueue = fail
    try:
        yield
    finally:
        storage.enqueue = enqueue


def work_off(app: Flask) -> None:
    """Do the jobs that wait in the queue, as the worker would."""
    queue = jobs.queue_of(app)
    while (task := queue.dequeue()) is not None:
        queue.execute(task)
    queue.flush()


def work_off_with_retries(app: Flask) -> None:
    """The same, and each that fails again and again until it is not tried any more."""
    queue = jobs.queue_of(app)
    while waiting := [*iter(queue.dequeue, None), *queue.read_schedule(dt.datetime.max)]:
        for task in waiting:
            queue.execute(task)
