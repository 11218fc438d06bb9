"""One request, one transaction: the only place that commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from evidence.sqlite import begin_write
from server.extensions import db


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """A writing transaction: committed at the end of the block, rolled back by any exception.

    What the request has read before (who is logged in) was read in a transaction of its own,
    which ends here. Whatever an earlier unit of work has left in the session is read again where
    it is used: it may be out of date by now, and a lock alone does not read it anew.

    Jobs and other effects go into `after_commit`, so that none of them speaks of what was rolled
    back.
    """
    session: Session = db.session()
    if session.info.get("unit_of_work"):
        raise RuntimeError("a unit of work inside another: one request, one transaction")
    session.rollback()
    session.expire_all()
    session.info["unit_of_work"] = True
    session.info["after_commit"] = []
    try:
        begin_write(session)
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        session.info["after_commit"] = []
        raise
    finally:
        session.info["unit_of_work"] = False
    for effect in session.info.pop("after_commit"):
        effect()


def after_commit(session: Session, effect: Callable[[], object]) -> None:
    """Run `effect` once the present unit of work is committed, never if it is not."""
    session.info["after_commit"].append(effect)
