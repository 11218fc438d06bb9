"""What a backup is made of, and how it is read again.

    backup.json       last, so that a folder without it is no backup
    files.sha256      SHA-256 of every other file, as sha256sum writes it
    originals.txt     SHA-256 and size of every original that the store had, copied or not
    database.sqlite   the whole database, whatever it was kept in
    keys/             the log's key and the one that signs sessions
    store/            originals, quarantine, derivatives and log tiles, laid out as a file store

Trusts nothing that it reads: every file is compared with its digest before it is used.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.errors import OriginalMissing
from evidence.exhibits.models import Exhibit, ExhibitState, Fixity
from evidence.storage.port import Store

FORMAT = "zhenglian-backup/v1"
INFO = "backup.json"
FILES = "files.sha256"
ORIGINALS = "originals.txt"
DATABASE = "database.sqlite"
LOG_KEY = "keys/log.key"
SECRET_KEY = "keys/secret.key"  # noqa: S105  (its place)
STORE = "store"
# A demonstration's accounts are known to everybody: what is restored must not pass for a bureau's.
DEMONSTRATION = "demo"
_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)


class BackupRefused(Exception):
    """A backup cannot be made, or is none; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What backup.json says."""

    format: str
    made_at: str
    origin: str
    revision: str
    checkpoint: str | None  # the signed head; None where nothing was signed yet
    originals: str  # copied or listed
    counts: Mapping[str, int]
    tables: list[Mapping[str, Any]]
    files_sha256: str
    problems: list[str]  # what was missing or altered when it was made

    def written(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1).encode()


def now_named() -> str:
    """The folder of a backup that is begun now."""
    return dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")


def newest(folder: Path) -> Path | None:
    """The newest finished backup with originals in `folder`, else the newest interrupted one, or
    None.
    """
    found = [path.parent for path in folder.glob(f"*/{STORE}") if _TIME.fullmatch(path.parent.name)]
    useful = [path for path in found if not _listed(path)]
    return max(useful, key=lambda path: ((path / INFO).exists(), path.name), default=None)


def _listed(folder: Path) -> bool:
    """Whether it is finished, and only lists the originals. One that cannot be read is not known
    to.
    """
    try:
        return bool(json.loads((folder / INFO).read_text("utf-8"))["originals"] == "listed")
    except (OSError, ValueError, TypeError, KeyError):
        return False


def file_digest(path: Path) -> str:
    """SHA-256 in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(folder: Path) -> Backup:
    """What a backup says of itself; its list of files is the one it was made with.

    Raises BackupRefused.
    """
    try:
        info = Backup(**json.loads((folder / INFO).read_text("utf-8")))
    except FileNotFoundError:
        raise BackupRefused(
            f"{folder} has no {INFO}: it is no backup, or one that was not finished."
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise BackupRefused(f"{folder / INFO} cannot be read ({error}).") from None
    if info.format != FORMAT:
        raise BackupRefused(f"{folder} is of the form {info.format}; this version reads {FORMAT}.")
    require_digest(folder / FILES, info.files_sha256)
    return info


def files(folder: Path) -> Iterator[tuple[str, str]]:
    """Path from the backup's folder and SHA-256 of each of its files."""
    with (folder / FILES).open(encoding="utf-8") as listing:
        for line in listing:
            sha256, _, name = line.rstrip("\n").partition("  ")
            yield name, sha256


def require_digest(path: Path, sha256: str) -> None:
    """Raises BackupRefused, naming the file."""
    try:
        found = file_digest(path)
    except OSError as error:
        raise BackupRefused(f"{path} cannot be read: {error.strerror}.") from None
    if found != sha256:
        raise BackupRefused(f"{path} was altered: its SHA-256 is {found}, and was {sha256}.")


def missing(session: Session, store: Store) -> Iterator[str]:
    """Exhibits whose bytes are not in `store`, or have another length: by label, in words."""
    query = select(Exhibit).order_by(Exhibit.position).execution_options(yield_per=1000)
    with session.scalars(query) as exhibits:
        for exhibit in exhibits:
            try:
                if exhibit.state is ExhibitState.SEALED and exhibit.fixity is not Fixity.ALTERED:
                    size = store.size(exhibit.sha256)
                    if size != exhibit.size:
                        yield f"{exhibit.label}: its original {exhibit.sha256} has another length"
                else:
                    store.read_quarantined(exhibit.id)
            except OriginalMissing:
                yield f"{exhibit.label}: its original {exhibit.sha256} is missing"
