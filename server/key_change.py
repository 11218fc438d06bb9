"""Change the log's signing key, or replace one that is lost. Stop the server first.

scripts/rotate-key begin  [--data FOLDER]  a new key; from the next start both sign, so that
                                           whoever knows either goes on reading the log
scripts/rotate-key finish [--data FOLDER]  the older key goes, when everybody knows the new one
scripts/rotate-key lost   [--data FOLDER]  keys/log.key is gone, and no backup has it: the whole
                                           log is read again by its old public key, and if it is
                                           whole, a new key carries it on

Each change is an event of the log. Give the new key to every witness, dock and court that has the
old one: it is printed here, and shown on the custody log's page.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sqlalchemy import create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody import keys
from evidence.custody.auditing import audit
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent, Lease, LogHead
from evidence.custody.note import Note, Verifier
from evidence.custody.reading import event_of
from evidence.errors import CustodyError, EvidenceError
from evidence.sqlite import prepare
from server import config
from server.config import Settings
from server.extensions import open_store

_NEXT = {
    "begin": "From the next start two keys sign the log, the old one and this. Give it to "
    "witnesses, auditors and docks (one more line of the token file, `key …`), then `finish`:",
    "finish": "From the next start this key alone signs the log:",
    "lost": "From the next start the log is signed with this key; give it to witnesses, "
    "auditors and docks (one more line of the token file, `key …`):",
}


def require_stopped(session: Session) -> None:
    """Raise CustodyError while a worker signs: it has the keys of its start in memory."""
    lease = session.get(Lease, "sequencer")
    if lease is not None and lease.until > clock.now():
        raise CustodyError(
            "The worker is running. Stop it and the web processes, wait 10 seconds, try again."
        )


def lost_key(session: Session, settings: Settings) -> str:
    """The verifier key that has signed the last head, by the log's own events.

    Raises CustodyError where the log does not hold, or names no such key.
    """
    head = session.get(LogHead, settings.log_origin)
    if head is None:
        raise CustodyError("There is no log of this origin in the database.")
    ids = Note.parse(head.checkpoint).key_ids(settings.log_origin)
    known = [key for key in _named(session) if Verifier.parse(key).key_id in ids]
    if not known:
        raise CustodyError("No event of the log names the key that its last head was signed with.")
    found = audit(open_store(settings), head.checkpoint, known, session=session)
    if not found.whole:
        raise CustodyError("The log does not hold: " + " ".join(found.findings))
    return known[0]


def _named(session: Session) -> list[str]:
    """Every verifier key that the log's events name, the newest first."""
    kinds = (Kind.LOG_STARTED.value, Kind.LOG_KEYS_CHANGED.value)
    query = select(CustodyEvent.canonical).where(CustodyEvent.kind.in_(kinds))
    found: list[str] = []
    for canonical in session.scalars(query.order_by(CustodyEvent.position.desc())):
        details = (event_of(canonical) or {}).get("details", {})
        found += details.get("verifier_keys") or [details.get("verifier_key", "")]
    return [key for key in dict.fromkeys(found) if key]


def change(act: str, settings: Settings) -> str:
    """Do it; the new verifier key. Raises CustodyError, SQLAlchemyError."""
    path, name = settings.log_key_file, settings.log_origin
    engine = prepare(create_engine(settings.database_url))
    try:
        with Session(engine) as session:
            require_stopped(session)
            if act == "lost":
                return keys.replace_lost(path, name, lost_key(session, settings)).verifier_key
            changing = keys.begin_change if act == "begin" else keys.finish_change
            return changing(path, name).verifier_key
    finally:
        engine.dispose()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="rotate-key", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("act", choices=("begin", "finish", "lost"))
    parser.add_argument("--data", type=Path, help="data folder (ZHENGLIAN_DATA, or ./data)")
    chosen = parser.parse_args()
    if chosen.data:
        os.environ["ZHENGLIAN_DATA"] = str(chosen.data)
    try:
        key = change(chosen.act, config.read())
    except (config.ConfigurationError, EvidenceError) as error:
        print(error, file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        print(f"The database cannot be read: {getattr(error, 'orig', error)}", file=sys.stderr)
        return 1
    print(f"{_NEXT[chosen.act]}\n{key}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
