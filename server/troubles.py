"""Jobs that failed, and how often: kept until they succeed, so that a person can see them.

The queue forgets; this does not. It also tells the sweep to wait longer after each failure.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import String, Text, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from evidence import clock
from evidence.base import Base
from evidence.turns import take_turn
from server.extensions import db
from server.unit_of_work import unit_of_work

log = logging.getLogger(__name__)

_LONGEST = 200  # characters of a problem that are kept
_FIRST_WAIT = dt.timedelta(seconds=5)
_LONGEST_WAIT = dt.timedelta(minutes=2)


class JobTrouble(Base):
    """A job on one subject that has failed since it last succeeded."""

    __tablename__ = "job_troubles"

    job: Mapped[str] = mapped_column(String(40), primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    problem: Mapped[str] = mapped_column(Text)
    first_at: Mapped[dt.datetime]
    last_at: Mapped[dt.datetime] = mapped_column(index=True)
    due_at: Mapped[dt.datetime]  # not tried again by the sweep before this


def note(job: str, subject_id: UUID, error: Exception) -> None:
    """Keep that `job` failed. Never raises: the job's own error is what matters."""
    try:
        with unit_of_work() as session:
            _note(session, job, subject_id, f"{type(error).__name__}: {error}"[:_LONGEST])
    except SQLAlchemyError:
        db.session.rollback()
        log.warning("%s of %s failed, which cannot be kept just now", job, subject_id)


def _note(session: Session, job: str, subject_id: UUID, problem: str) -> None:
    take_turn(session, subject_id)
    now = clock.now()
    trouble = session.get(JobTrouble, (job, subject_id))
    if trouble is None:
        trouble = JobTrouble(job=job, subject_id=subject_id, attempts=0, first_at=now)
        session.add(trouble)
    trouble.attempts += 1
    trouble.problem = problem.replace("\0", " ")
    trouble.last_at = now
    wait = _FIRST_WAIT * 2 ** min(trouble.attempts - 1, 10)
    trouble.due_at = now + min(wait, _LONGEST_WAIT)


def forget(job: str, subject_id: UUID) -> None:
    """It has succeeded."""
    known = select(JobTrouble.job).where(JobTrouble.job == job, JobTrouble.subject_id == subject_id)
    there = db.session.scalar(known) is not None
    db.session.rollback()
    if there:
        with unit_of_work() as session:
            session.execute(
                delete(JobTrouble).where(JobTrouble.job == job, JobTrouble.subject_id == subject_id)
            )


def due(session: Session, job: str, subjects: Iterable[UUID]) -> list[UUID]:
    """Those of `subjects` whose next attempt need not wait.

    One that would wait longer than any does was put off by a clock that was set back since.
    """
    wanted, now = list(subjects), clock.now()
    waiting = set(
        session.scalars(
            select(JobTrouble.subject_id).where(
                JobTrouble.job == job,
                JobTrouble.subject_id.in_(wanted),
                JobTrouble.due_at > now,
                JobTrouble.due_at <= now + _LONGEST_WAIT,
            )
        )
    )
    return [subject for subject in wanted if subject not in waiting]


def newest(session: Session, limit: int = 100) -> list[JobTrouble]:
    query = select(JobTrouble).order_by(JobTrouble.last_at.desc()).limit(limit)
    return list(session.scalars(query))


def count(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(JobTrouble)) or 0
