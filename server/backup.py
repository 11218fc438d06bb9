"""Back up everything, while the system runs.

scripts/backup FOLDER [--originals copy|list] [--since BACKUP] [--data FOLDER]

makes FOLDER/<time in UTC>/ with the database (always as a SQLite file), the keys, the log, the
derivatives, what is in quarantine, and every original. With --originals list the originals stay
where they are, and only their digests and sizes are kept: for a store that is secured by itself.
--since names an older backup on the same file system: an original that it has, whole, is shared
with it instead of copied. An interrupted backup will do. --since newest takes the newest in FOLDER
that has originals; where there is none, everything is copied.

The database is read first, at one moment; what comes in later is in the next backup. FOLDER holds
the keys: guard it as you guard them.

Exit code 0 whole, 1 made, but something was missing or altered, 2 not made.
"""

from __future__ import annotations

import argparse
import errno
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.models import LogHead
from evidence.custody.tiles import tiles_of
from evidence.errors import EvidenceError, OriginalMissing
from evidence.sqlite import prepare
from evidence.storage.durable import adopt, make_folder, place, sync_folder
from evidence.storage.filesystem import FilesystemStore
from evidence.storage.port import Store
from server import backup_folder, config, migrate, mirroring
from server.backup_folder import Backup, BackupRefused
from server.config import ConfigurationError, Settings
from server.copying import CopiedTable, CopyRefused, copy_database
from server.database_move import require_there
from server.extensions import open_store
from server.log_audit import of_database
from server.own_log import rolled_back

_LONGER_LOG = (
    "The store holds tiles of a longer log than the database: it is another database, or an older "
    "one. Correct ZHENGLIAN_DATABASE_URL, or restore the newest backup that there is"
)


class _Making:
    """One backup: where to, and what has been found out on the way."""

    def __init__(self, settings: Settings, folder: Path, since: Path | None) -> None:
        self.settings, self.folder, self.since = settings, folder, since
        self.source: Store = open_store(settings)
        self.store = FilesystemStore(folder / backup_folder.STORE, sm3=False)
        self.database = folder / backup_folder.DATABASE
        self.tables: Sequence[CopiedTable] = ()
        self.head: LogHead | None = None
        self.counts = dict.fromkeys(mirroring.KINDS, 0)
        self.problems: list[str] = []

    def take_database(self) -> None:
        """As it is at one moment. Raises CopyRefused."""
        source = prepare(create_engine(self.settings.database_url))
        target = prepare(create_engine(f"sqlite:///{self.database}"))
        try:
            require_there(source)
            migrate.upgrade(target)
            self.tables = copy_database(source, target, lambda *_: None)
            with Session(target) as session:
                self.head = session.get(LogHead, self.settings.log_origin)
        finally:
            source.dispose()
            target.dispose()

    def take_keys(self) -> None:
        make_folder(self.folder / "keys")
        taken = {
            backup_folder.LOG_KEY: self.settings.log_key_file,
            backup_folder.SECRET_KEY: self.settings.secret_key_file,
            backup_folder.DEMONSTRATION: self.settings.data / backup_folder.DEMONSTRATION,
        }
        for name, path in taken.items():
            if path.exists():
                place(path.read_bytes(), self.folder / name, 0o600)
            elif name != backup_folder.DEMONSTRATION:
                self.problems.append(f"{path} is missing")

    def take_store(self, originals: str) -> None:
        """Raises StorageUnavailable, StorageFull."""
        for path in tiles_of(self.head.size if self.head else 0):
            self._take("tiles", mirroring.tile, self.source, self.store, path)
        for sha256 in self.source.derivatives():
            self._take("derivatives", mirroring.derivative, self.source, self.store, sha256)
        for one in self.source.quarantined():
            self._take("quarantined", mirroring.quarantined, self.source, self.store, one)
        taking = self._original if originals == "copy" else lambda _: None
        with (self.folder / backup_folder.ORIGINALS).open("x", encoding="ascii") as listing:
            for sha256 in self.source.originals():
                # One that is set aside just now is missed by its exhibit, below.
                with suppress(OriginalMissing):
                    listing.write(f"{sha256} {self.source.size(sha256)}\n")
                    self._take("originals", taking, sha256)

    def _take(self, kind: str, act: Callable[..., object], *what: object) -> None:
        try:
            act(*what)
            self.counts[kind] += 1
        except mirroring.Unmatched as problem:
            self.problems.append(str(problem))

    def _original(self, sha256: str) -> None:
        there = Path(backup_folder.STORE, "originals", sha256[:2], sha256[2:4], sha256)
        older = self.since / there if self.since else None
        try:
            if older and self._is(older, sha256):
                adopt(older, self.folder / there)
                return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            raise BackupRefused(
                "--since names a backup on another file system, which cannot be shared."
            ) from None
        mirroring.original(self.source, self.store, sha256)

    def _is(self, older: Path, sha256: str) -> bool:
        """Whether an older backup has these bytes, whole."""
        if not older.is_file() or older.stat().st_size != self.source.size(sha256):
            return False
        if backup_folder.file_digest(older) == sha256:
            return True
        self.problems.append(f"{older} was altered; it was copied anew")
        return False

    def look_for_a_longer_log(self) -> None:
        """In the store as it is: a backup of an older database would pass for the newest state."""
        source = prepare(create_engine(self.settings.database_url))
        try:
            with Session(source) as session:
                if rolled_back(session, self.source):
                    self.problems.append(_LONGER_LOG)
        finally:
            source.dispose()

    def audit(self, originals: str) -> None:
        """The log by the tiles just taken; and that the bytes of every exhibit are there."""
        engine = prepare(create_engine(f"sqlite:///{self.database}"))
        held = self.store if originals == "copy" else self.source
        try:
            with Session(engine) as session:
                self.problems += backup_folder.missing(session, held)
                found = of_database(session, self.settings, self.store)
                self.problems += found.findings if found else ()
        except EvidenceError as error:
            self.problems.append(str(error))
        finally:
            engine.dispose()

    def finish(self, originals: str) -> Backup:
        """Everything durable, then the file that makes it a backup."""
        # One file and nothing beside it, which can be read from a disc that takes no writing.
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        listing = self.folder / backup_folder.FILES
        with listing.open("x", encoding="utf-8") as file:
            for path in self._files():
                file.write(f"{self._digest(path)}  {path.relative_to(self.folder).as_posix()}\n")
        made = Backup(
            format=backup_folder.FORMAT,
            made_at=clock.now().isoformat(),
            origin=self.settings.log_origin,
            revision=migrate.head(),
            checkpoint=self.head.checkpoint if self.head else None,
            originals={"copy": "copied", "list": "listed"}[originals],
            counts=self.counts,
            tables=[{"name": t.name, "rows": t.rows, "sha256": t.sha256} for t in self.tables],
            files_sha256=backup_folder.file_digest(listing),
            problems=self.problems,
        )
        os.sync()
        place(made.written(), self.folder / backup_folder.INFO, 0o400)
        sync_folder(self.folder.parent)
        return made

    def _files(self) -> Iterator[Path]:
        for top, folders, names in os.walk(self.folder):
            folders.sort()
            found = (Path(top) / name for name in sorted(names))
            yield from (path for path in found if path.name != backup_folder.FILES)

    def _digest(self, path: Path) -> str:
        """What an original or a derivative is was compared with its name when it was put there."""
        inside = path.relative_to(self.folder).parts
        if inside[:2] in ((backup_folder.STORE, "originals"), (backup_folder.STORE, "derivatives")):
            return path.name
        return backup_folder.file_digest(path)


def make(settings: Settings, folder: Path, originals: str, since: Path | None) -> Backup:
    """Make a backup in `folder`, which must not be there. Raises BackupRefused, CopyRefused,
    EvidenceError, OSError, SQLAlchemyError; then there is no backup.json in it.
    """
    if since and not (since / backup_folder.STORE).is_dir():
        raise BackupRefused(f"--since {since} is no backup.")
    make_folder(folder.parent)
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        raise BackupRefused(f"{folder} is there already, and is not written over.") from None
    making = _Making(settings, folder, since)
    making.take_database()
    making.take_keys()
    making.take_store(originals)
    making.look_for_a_longer_log()
    making.audit(originals)
    return making.finish(originals)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="backup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--originals", choices=("copy", "list"), default="copy")
    parser.add_argument("--since", type=Path, metavar="BACKUP|newest")
    parser.add_argument("--data", type=Path, help="data folder (ZHENGLIAN_DATA, or ./data)")
    chosen = parser.parse_args()
    os.umask(0o077)
    if chosen.data:
        os.environ["ZHENGLIAN_DATA"] = str(chosen.data)
    folder = chosen.folder.absolute() / backup_folder.now_named()
    since = chosen.since
    if since == Path("newest"):
        since = backup_folder.newest(folder.parent)
    try:
        made = make(config.read(), folder, chosen.originals, since)
    except (BackupRefused, ConfigurationError, CopyRefused) as error:
        print(f"NO BACKUP: {error}", file=sys.stderr)
        return 2
    except (EvidenceError, OSError, SQLAlchemyError) as error:
        words = getattr(error, "orig", None) or error
        print(f"NO BACKUP: {words}.", file=sys.stderr)
        if isinstance(error, PermissionError):
            print("The account that makes it must be able to write there.", file=sys.stderr)
        if folder.exists():
            print(f"{folder} is not whole; --since can use it.", file=sys.stderr)
        return 2
    print(f"{folder}")
    print(", ".join(f"{count} {kind}" for kind, count in made.counts.items()))
    for words in made.problems:
        print(f"✗ {words}")
    print("NOT WHOLE: see above." if made.problems else "WHOLE")
    return 1 if made.problems else 0


if __name__ == "__main__":
    sys.exit(main())
