"""Making files and folders durable, and what the system's refusals are called here."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evidence.errors import StorageError, StorageFull, StorageUnavailable

FULL = "The storage is full. Free space or move the store, then send it again."
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def translated() -> Iterator[None]:
    """Turn an OSError into StorageFull or StorageUnavailable."""
    try:
        yield
    except OSError as error:
        raise refusal(error) from error


def refusal(error: OSError) -> StorageError:
    """The domain's name for what the system refused."""
    if error.errno in _FULL:
        return StorageFull(FULL)
    return StorageUnavailable(f"The storage refused: {error.strerror or error}. Try again.")


def write_whole(handle: int, content: bytes | memoryview) -> None:
    """Past every buffer of ours: where there is no room, it is said here and not at the closing."""
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Make a folder and those above it, each durable in its parent, for the owner alone."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def place(content: bytes, target: Path, mode: int = 0o440) -> bool:
    """Put `content` at `target` in one step, durable; False where something stands there already.

    A crash leaves either nothing under the name or the whole content.
    """
    make_folder(target.parent)
    draft = target.parent / f".{os.urandom(8).hex()}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            write_whole(handle, content)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.link(draft, target)
        placed = True
    except FileExistsError:
        placed = False
    finally:
        # Also where the disk is full: whoever tries again would leave one each time.
        draft.unlink()
    # Also where it stood there: whoever placed it may have died before this.
    sync_folder(target.parent)
    return placed


def replace_file(target: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` at `target` in one step, durable, in place of what may stand there.

    Raises StorageFull, StorageUnavailable.
    """
    draft = target.with_name(f".{target.name}.{os.urandom(6).hex()}")
    with translated():
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(target.parent)


def adopt(source: Path, target: Path) -> None:
    """Give the bytes of `source` a second name, `target`, durable; harmless where it exists."""
    make_folder(target.parent)
    with contextlib.suppress(FileExistsError):
        os.link(source, target)
    # Also where it existed: whoever linked it may have died before this.
    sync_folder(target.parent)
