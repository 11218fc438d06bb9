"""Move the database to another server or file, verified, and leave the old one as it is.

scripts/move-database --to URL [--from URL] [--data FOLDER]

URL is postgresql://user@host/name or sqlite:////path/to/file.db; a password is better kept in
~/.pgpass than written here. The database at --to has to be there and to be empty (a SQLite file is
made); --from is the one of the settings.

Before: stop web and worker, and wait ten seconds. What is written to the old database during the
move is noticed, and the move undone. After: start everything again with ZHENGLIAN_DATABASE_URL
set to the new one, and keep the old one until you have seen it work.

Exit code 0 moved and verified, 1 not moved (the database at --to is empty), 2 wrong use.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Engine, create_engine, func, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from evidence.custody.models import CustodyEvent, LogHead
from evidence.errors import EvidenceError
from evidence.sqlite import prepare
from server import config, migrate
from server.config import ConfigurationError, Settings
from server.copying import CopiedTable, CopyRefused, copy_database, counts
from server.extensions import open_store
from server.key_change import require_stopped
from server.log_audit import of_database


def opened(environ: Mapping[str, str], url: str) -> Engine:
    """The database at `url`. Raises ConfigurationError."""
    wrong = ConfigurationError(
        "A database is written postgresql://user@host/name or sqlite:////path/to/file.db."
    )
    try:
        given = make_url(config.read({**environ, "ZHENGLIAN_DATABASE_URL": url}).database_url)
        if not given.database:
            raise wrong
        return prepare(create_engine(given))
    except (ArgumentError, ValueError, ImportError):
        raise wrong from None


def require_there(engine: Engine) -> None:
    """Opening a SQLite file that is not there would make it. Raises CopyRefused."""
    path = engine.url.database
    if engine.dialect.name == "sqlite" and not (path and Path(path).is_file()):
        raise CopyRefused(f"There is no database {path}.")


def prepare_target(engine: Engine) -> None:
    """Make the tables where there is none at all. Raises CopyRefused."""
    try:
        if not inspect(engine).get_table_names():
            migrate.upgrade(engine)
    except SQLAlchemyError as error:
        words = str(getattr(error, "orig", None) or error).strip().replace("\n", " ")
        raise CopyRefused(f"The database to move to cannot be used. {words}") from None


def move(settings: Settings, source: Engine, target: Engine) -> Sequence[CopiedTable]:
    """Copy, compare, audit. Raises CopyRefused, EvidenceError, SQLAlchemyError: nothing moved."""
    require_there(source)
    with Session(source) as session:
        require_stopped(session)
    before = _mark(source)
    prepare_target(target)

    def check(session: Session, copied: Sequence[CopiedTable]) -> None:
        found = of_database(session, settings, open_store(settings))
        if found is not None and not found.whole:
            words = (
                "The custody log does not hold, so it is not moved; scripts/log-audit says more."
            )
            if not settings.store_old_url and any(" is missing" in f for f in found.findings):
                words += (
                    " Where its tiles are still in another store, name it: ZHENGLIAN_STORE_OLD_URL."
                )
            raise CopyRefused(" ".join([words, *found.findings[:3]]))
        read = {table.name: table.rows for table in copied}
        if _mark(source) != before or counts(source) != read:
            raise CopyRefused(
                "Something was written to the old database meanwhile. "
                "Stop web and worker on every machine, then try again."
            )

    return copy_database(source, target, check)


def _mark(source: Engine) -> tuple[int | None, Sequence[str]]:
    """What changes wherever something is done: the last event, and the signed heads."""
    with Session(source) as session:
        last = session.scalar(select(func.max(CustodyEvent.position)))
        return last, session.scalars(select(LogHead.checkpoint).order_by(LogHead.origin)).all()


def table_of(copied: Sequence[CopiedTable]) -> str:
    """One line a table: rows, and the beginning of the digest that both sides have."""
    width = max(len(table.name) for table in copied)
    lines = [f"{'table':{width}}  {'rows':>10}  SHA-256"]
    lines += [f"{t.name:{width}}  {t.rows:>10}  {t.sha256[:16]}" for t in copied]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="move-database",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--to", required=True, metavar="URL")
    parser.add_argument("--from", dest="source", metavar="URL", help="that of the settings")
    parser.add_argument("--data", type=Path, help="data folder (ZHENGLIAN_DATA, or ./data)")
    chosen = parser.parse_args()
    os.umask(config.UMASK)
    environ = {**os.environ, **({"ZHENGLIAN_DATA": str(chosen.data)} if chosen.data else {})}
    try:
        settings = config.read(environ)
        source = opened(environ, chosen.source or settings.database_url)
        target = opened(environ, chosen.to)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        copied = move(settings, source, target)
    except (CopyRefused, EvidenceError, SQLAlchemyError) as error:
        words = getattr(error, "orig", None) or error
        print(f"NOT MOVED: {words}", file=sys.stderr)
        return 1
    finally:
        source.dispose()
        target.dispose()
    print(table_of(copied))
    print("MOVED: both sides are equal, and the custody log holds.")
    started_with = target.url.set(drivername=target.dialect.name)
    print(f"Start with ZHENGLIAN_DATABASE_URL={started_with.render_as_string(hide_password=True)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
