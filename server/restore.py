"""Put a backup back, into an empty place.

scripts/restore BACKUP --data FOLDER [--database URL] [--store URL]

FOLDER must not be there, or be empty; so must the database be, if one is named (otherwise it is a
SQLite file in FOLDER). The store may have originals already: a backup that only lists them is put
back over the store that still holds them. Every file is compared with its digest; then the whole
log is read again, and every original that an exhibit names is looked for.

Exit code 0 whole, 1 restored, but what is named is missing or does not match, 2 refused.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from evidence.errors import EvidenceError, InvalidInput, OriginalMissing
from evidence.sqlite import prepare
from evidence.storage.durable import place, sync_folder
from evidence.storage.filesystem import FilesystemStore
from evidence.storage.port import Store
from server import backup_folder, config, migrate, mirroring
from server.backup_folder import DATABASE, DEMONSTRATION, LOG_KEY, SECRET_KEY, STORE, BackupRefused
from server.config import ConfigurationError, Settings
from server.copying import CopyRefused, copy_database, require_usable
from server.database_move import opened, prepare_target
from server.extensions import open_store
from server.log_audit import of_database
from server.own_log import rolled_back

_LONGER_LOG = """\
The store holds tiles of a longer log than this backup: it was made before the newest events were
signed and published. The server will sign nothing in this place, because whoever has the longer
log would see two that contradict each other. Restore the newest backup that there is. If this is
the newest, restore it into an empty store (--store): what was logged after it is lost then, and
every witness will refuse the log, which tells everybody so."""


def environment(
    backup: backup_folder.Backup, data: Path, database: str | None, store: str | None
) -> dict[str, str]:
    """The settings of the restored system; those of one that runs here are none of its own."""
    return {
        **os.environ,
        "ZHENGLIAN_DATA": str(data),
        "ZHENGLIAN_DATABASE_URL": database or "",
        "ZHENGLIAN_STORE_URL": store or "",
        "ZHENGLIAN_STORE_OLD_URL": "",
        "ZHENGLIAN_SECRET_KEY_FILE": "",
        "ZHENGLIAN_LOG_ORIGIN": backup.origin,
    }


def restore(
    folder: Path, backup: backup_folder.Backup, settings: Settings, target: Engine
) -> list[str]:
    """Put the backup in `folder` back; what is missing or does not match, in words.

    Raises BackupRefused and CopyRefused before anything is written; EvidenceError, OSError and
    SQLAlchemyError in the middle.
    """
    _require_known(backup.revision)
    _require_empty(settings.data, target)
    outside = _outside_of_the_store(folder)
    for name, sha256 in outside.items():
        backup_folder.require_digest(folder / name, sha256)
    config.prepare_data(settings)
    for name in (LOG_KEY, SECRET_KEY, DEMONSTRATION):
        if name in outside:
            place((folder / name).read_bytes(), settings.data / name, 0o600)
    store = open_store(settings)
    problems = list(_fill(folder, store))
    # Last: a row only ever points at bytes that are there.
    _put_database(folder / DATABASE, settings, target)
    with Session(target) as session:
        problems += backup_folder.missing(session, store)
        problems += _audit(session, settings, store, backup.checkpoint)
    return problems


def _require_known(revision: str) -> None:
    known = ScriptDirectory.from_config(migrate.alembic_config()).walk_revisions()
    if revision not in {script.revision for script in known}:
        raise BackupRefused(
            f"The backup is of a newer version (its tables are {revision}). Use that version."
        )


def _require_empty(data: Path, target: Engine) -> None:
    if data.exists() and any(data.iterdir()):
        raise BackupRefused(f"{data} is not empty. Name a folder that is not there yet.")
    if target.dialect.name != "sqlite":
        require_usable(target)
    elif Path(str(target.url.database)).exists():
        raise BackupRefused(f"{target.url.database} is there already, and is not written over.")


def _outside_of_the_store(folder: Path) -> dict[str, str]:
    found = {
        name: sha256
        for name, sha256 in backup_folder.files(folder)
        if name in (DATABASE, LOG_KEY, SECRET_KEY, DEMONSTRATION)
    }
    if DATABASE not in found:
        raise BackupRefused(f"{folder} lists no {DATABASE}.")
    return found


def _fill(folder: Path, store: Store) -> Iterator[str]:
    """Put everything into the store that the backup lists; what does not match, in words."""
    kept = FilesystemStore(folder / STORE, sm3=False)
    for name, sha256 in backup_folder.files(folder):
        top, _, inside = name.partition("/")
        if top != STORE:
            continue
        room, _, rest = inside.partition("/")
        try:
            _put_one(kept, store, room, rest, sha256)
        except (mirroring.Unmatched, InvalidInput, OriginalMissing, ValueError) as problem:
            yield f"{folder / name}: {problem}"


def _put_one(kept: Store, store: Store, room: str, name: str, sha256: str) -> None:
    """Raises Unmatched, OriginalMissing; InvalidInput, ValueError where it has no such name."""
    if room == "originals":
        mirroring.original(kept, store, Path(name).name)
    elif room == "derivatives":
        mirroring.derivative(kept, store, Path(name).name)
    elif room == "quarantine":
        exhibit_id = UUID(name)
        _require_as_listed(mirroring.digest_of(kept.read_quarantined(exhibit_id)), sha256)
        mirroring.quarantined(kept, store, exhibit_id)
    elif room == "log":
        _require_as_listed(mirroring.digest_of([kept.tile(name) or b""]), sha256)
        mirroring.tile(kept, store, name)


def _require_as_listed(found: str, sha256: str) -> None:
    if found != sha256:
        raise mirroring.Unmatched(f"was altered or is gone: SHA-256 {found}, and was {sha256}")


def _put_database(kept: Path, settings: Settings, target: Engine) -> None:
    """The database of this version's form; in one step, so that there is never half of one."""
    if target.dialect.name != "sqlite":
        draft = settings.data / "restoring.db"
        older = _draft(kept, draft)
        try:
            prepare_target(target)
            copy_database(older, target, lambda *_: None)
        finally:
            older.dispose()
            draft.unlink()
        return
    final = Path(str(target.url.database))
    draft = final.with_name(f"{final.name}.restoring")
    _draft(kept, draft).dispose()
    draft.replace(final)
    sync_folder(final.parent)


def _draft(kept: Path, draft: Path) -> Engine:
    shutil.copyfile(kept, draft)
    draft.chmod(0o600)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    engine = prepare(create_engine(f"sqlite:///{draft}"))
    if migrate.pending(engine):
        migrate.upgrade(engine)
    return engine


def _audit(
    session: Session, settings: Settings, store: Store, checkpoint: str | None
) -> Iterator[str]:
    """The log of the restored place against the head that the backup names."""
    try:
        found = of_database(session, settings, store, older=[checkpoint] if checkpoint else [])
    except EvidenceError as error:
        yield f"The log cannot be audited: {error}"
        return
    if found:
        yield from found.findings
    elif checkpoint:
        yield "The database has no signed head, and the backup names one."
    if rolled_back(session, store):
        yield _LONGER_LOG


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="restore", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backup", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--database", metavar="URL")
    parser.add_argument("--store", metavar="URL")
    chosen = parser.parse_args()
    os.umask(config.UMASK)
    data = chosen.data.expanduser().absolute()
    try:
        backup = backup_folder.read(chosen.backup)
        environ = environment(backup, data, chosen.database, chosen.store)
        settings = config.read(environ)
        target = opened(environ, settings.database_url)
        problems = restore(chosen.backup, backup, settings, target)
        target.dispose()
    except (BackupRefused, ConfigurationError, CopyRefused) as error:
        print(f"REFUSED: {error}", file=sys.stderr)
        return 2
    except (EvidenceError, OSError, SQLAlchemyError) as error:
        words = getattr(error, "orig", None) or error
        print(f"NOT RESTORED: {words} Remove {data}, and try again.", file=sys.stderr)
        return 2
    for words in problems:
        print(f"✗ {words}")
    print(f"of {backup.made_at}, log {backup.origin}")
    print("RESTORED, NOT WHOLE: see above." if problems else "RESTORED, WHOLE")
    print(f"Start with ZHENGLIAN_DATA={data} ZHENGLIAN_LOG_ORIGIN={backup.origin}")
    if chosen.database or chosen.store:
        print("and ZHENGLIAN_DATABASE_URL, ZHENGLIAN_STORE_URL as they were given here.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
