"""Whether the log in the database is this installation's: of its origin, signed by its key, and
as long as what the store holds of it.

Where it is not, no key is made: it would be published, and sign nothing that is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.orm import Session

from evidence.custody.checkpoint import verify_checkpoint
from evidence.custody.keys import KeyFile, read_key
from evidence.custody.models import CustodyEvent, LogHead
from evidence.custody.note import Note
from evidence.custody.tiles import reaches_beyond
from evidence.errors import SignatureInvalid
from evidence.storage.port import ListedTileStore
from server.config import Settings

_REMEDY = (
    "Copy the folder keys from the old data folder into this one. If that key is gone for good, "
)


def heads(connection: Connection) -> dict[str, str]:
    """The newest checkpoint of every log there, by its origin; none where there are no tables."""
    if not inspect(connection).has_table(LogHead.__tablename__):
        return {}
    found = connection.execute(select(LogHead.origin, LogHead.checkpoint))
    return dict(found.all())


def fault(connection: Connection, settings: Settings) -> str:
    """Why this installation cannot go on with the log there; nothing where it can.

    Raises CustodyError where the key file is damaged, or was made for another origin.
    """
    found = heads(connection)
    if words := other_origin(found, settings.log_origin):
        return words
    checkpoint = found.get(settings.log_origin)
    path = settings.log_key_file
    if not is_there(path):
        return missing(checkpoint, settings) if checkpoint else ""
    key = read_key(path, settings.log_origin)
    return another(checkpoint, key, path) if checkpoint else ""


def other_origin(found: Iterable[str], ours: str) -> str:
    """What is wrong where the logs found are all of other origins than `ours`; or nothing."""
    others = sorted(found)
    if not others or ours in others:
        return ""
    return (
        f"ZHENGLIAN_LOG_ORIGIN is {ours}, and the log in this database is {others[0]}: an origin "
        f"is never changed. Set ZHENGLIAN_LOG_ORIGIN={others[0]}."
    )


def is_there(path: Path) -> bool:
    """Also where it may not be read: that is another fault than its absence."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def missing(checkpoint: str, settings: Settings) -> str:
    return (
        f"The log in this database was signed by {_signers(checkpoint, settings.log_origin)}, "
        f"and {settings.log_key_file} is missing. {_REMEDY}run scripts/rotate-key lost."
    )


def another(checkpoint: str, key: KeyFile, path: Path) -> str:
    """What is wrong where `key`, which stands at `path`, has not signed this head; or nothing.

    While a key is changed, or a lost one replaced, the head is still that of the key before.
    """
    try:
        verify_checkpoint(checkpoint, *key.known)
    except SignatureInvalid:
        return (
            f"The log in this database was signed by {_signers(checkpoint, key.name)}, "
            f"and {path} holds another key, {_short(key.known[0])}. "
            f"{_REMEDY}move this file away and run scripts/rotate-key lost."
        )
    return ""


def _signers(checkpoint: str, origin: str) -> str:
    """Name and id of each key that signed it, as its verifier key begins."""
    ids = sorted(Note.parse(checkpoint).key_ids(origin))
    return " and ".join(f"{origin}+{key_id.hex()}" for key_id in ids)


def _short(verifier_key: str) -> str:
    # The key itself is base64, which may have plus signs of its own.
    return "+".join(verifier_key.split("+", 2)[:2])


def rolled_back(session: Session, tiles: ListedTileStore) -> bool:
    """Whether there are tiles of a longer log than this database knows of; also while it grows.

    Ends the session's transaction. Raises StorageUnavailable.
    """
    given = _indices_given(session)
    while reaches_beyond(tiles, given):
        # The log may have grown between the two looks: then the second tells more.
        session.rollback()
        now = _indices_given(session)
        if now == given:
            return True
        given = now
    return False


def _indices_given(session: Session) -> int:
    highest = session.scalar(select(func.max(CustodyEvent.leaf_index)))
    return 0 if highest is None else highest + 1
