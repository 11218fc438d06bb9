"""A recorder's card: which files it holds, and the digest of each as it is there now.

No digest is ever remembered from an earlier run: another card at the same mount point, with the
same name, size and time, would be taken for one that is sealed already.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from evidence.sm3 import SM3, new_sm3
from scripts.docking.troubles import CardTrouble

PIECE = 1024 * 1024

# Written by operating systems for themselves. Wastebaskets are not among them: a recording that
# somebody deleted is still a recording.
SYSTEM_FOLDERS = frozenset(
    {
        "system volume information",
        ".spotlight-v100",
        ".fseventsd",
        ".temporaryitems",
        ".documentrevisions-v100",
        "lost+found",
    }
)
SYSTEM_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".metadata_never_index"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFile:
    """One regular file of the card, as the walk found it; `size` in bytes."""

    path: Path
    relative: str
    size: int
    mtime_ns: int
    device: int
    inode: int

    @property
    def name(self) -> str:
        """The bare name as UTF-8 text; bytes that are none are shown as \\xNN."""
        return os.fsencode(self.path.name).decode("utf-8", "backslashreplace")

    def same_as(self, found: os.stat_result) -> bool:
        return (self.size, self.mtime_ns, self.device, self.inode) == (
            found.st_size,
            found.st_mtime_ns,
            found.st_dev,
            found.st_ino,
        )


@dataclass(slots=True)
class Card:
    """What a walk found: files in order, what could not be looked at and why, what was left out."""

    files: list[CardFile] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def walk(root: Path, skip: Sequence[str] = ()) -> Card:
    """Every regular file under `root`, which may be a file itself.

    Links are never followed, because they may lead off the card. `skip` are patterns such as
    `*.THM`, compared without regard to case with the name and with the path from the root.
    Raises CardTrouble where the root itself cannot be read.
    """
    card = Card()
    try:
        root = root.resolve(strict=True)
        found = root.stat()
        if stat.S_ISREG(found.st_mode):
            card.files.append(_card_file(root, root.name, found))
            return card
        entries = list(os.scandir(root))
    except OSError as error:
        raise CardTrouble("card_unreadable", reason=error.strerror or str(error)) from None
    _look_at(entries, root, [pattern.casefold() for pattern in skip], card)
    card.files.sort(key=lambda file: file.relative)
    return card


def _look_at(entries: list[os.DirEntry[str]], root: Path, skip: list[str], card: Card) -> None:
    for entry in entries:
        relative = os.path.relpath(entry.path, root)
        try:
            found = entry.stat(follow_symlinks=False)
            folder = stat.S_ISDIR(found.st_mode)
            if _left_out(entry.name, relative, folder, skip) or not (
                folder or stat.S_ISREG(found.st_mode)
            ):
                card.left_out.append(relative)
            elif folder:
                _look_at(list(os.scandir(entry.path)), root, skip, card)
            else:
                card.files.append(_card_file(Path(entry.path), relative, found))
        except OSError as error:
            card.unreadable.append((relative, error.strerror or str(error)))


def _left_out(name: str, relative: str, folder: bool, skip: list[str]) -> bool:
    low = name.casefold()
    if low in (SYSTEM_FOLDERS if folder else SYSTEM_FILES):
        return True
    return any(
        fnmatch.fnmatchcase(low, pattern) or fnmatch.fnmatchcase(relative.casefold(), pattern)
        for pattern in skip
    )


def _card_file(path: Path, relative: str, found: os.stat_result) -> CardFile:
    return CardFile(
        path=path,
        relative=relative,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        device=found.st_dev,
        inode=found.st_ino,
    )


def open_unchanged(file: CardFile) -> BinaryIO:
    """Open `file` for unbuffered reading, if it is the file that the walk found.

    Raises CardTrouble where it cannot be opened, or was changed or exchanged since.
    """
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        found = os.fstat(descriptor)
    except OSError as error:
        raise CardTrouble("file_unreadable", reason=error.strerror or str(error)) from None
    if not file.same_as(found):
        os.close(descriptor)
        raise CardTrouble("file_changed")
    return open(descriptor, "rb", buffering=0)


def digests(
    file: CardFile, reading: Callable[[int], None], *, from_the_card: bool = False
) -> tuple[str, str | None]:
    """SHA-256 and SM3, in hex, of the bytes on the card; no SM3 where the platform has none.

    `reading` is told the bytes read so far. With `from_the_card` the system's cached pages are
    dropped first, so that the medium itself answers. Raises CardTrouble; whatever `reading` raises
    ends the work.
    """
    sha256 = hashlib.sha256()
    sm3 = new_sm3() if SM3 else None
    piece = memoryview(bytearray(PIECE))
    done = 0
    with open_unchanged(file) as source:
        if from_the_card:
            os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while count := read_into(source, piece):
            sha256.update(piece[:count])
            if sm3:
                sm3.update(piece[:count])
            done += count
            reading(done)
        if done != file.size or not file.same_as(os.fstat(source.fileno())):
            raise CardTrouble("file_changed")
    return sha256.hexdigest(), sm3.hexdigest() if sm3 else None


def read_into(source: BinaryIO, piece: memoryview) -> int:
    """Bytes read into `piece`, 0 at the end. Raises CardTrouble where the medium fails."""
    try:
        return int(source.readinto(piece) or 0)  # type: ignore[attr-defined]
    except OSError as error:
        raise CardTrouble("file_unreadable", reason=error.strerror or str(error)) from None


def visible(text: str) -> str:
    """`text` with control, direction and other unseen characters shown as ⟨U+202E⟩."""
    return "".join(
        f"⟨U+{ord(c):04X}⟩" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c
        for c in os.fsencode(text).decode("utf-8", "backslashreplace")
    )
