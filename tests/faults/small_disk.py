"""Real disks for tests: a small one to be filled, emptied and had read-only, and one that fails."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from evidence.storage.filesystem import MARGIN_BYTES
from tests.faults.mounting import CannotMount, Mounted, no_disk

MIB = 1024 * 1024
_FILES = 3000


class SmallDisk(Mounted):
    """A tmpfs with `room` bytes for use beside the margin that every store leaves free."""

    def __init__(self, mounted_at: Path, room: int) -> None:
        options = f"size={MARGIN_BYTES + room},nr_inodes={_FILES},mode=0755"
        super().__init__(mounted_at, "-t", "tmpfs", "-o", options, "tmpfs")

    @contextmanager
    def full(self, *, names: bool = True) -> Iterator[None]:
        """Inside the block there is no room for a byte, nor with `names` for another name."""
        ballast = self.path / "ballast"
        ballast.mkdir()
        try:
            with (ballast / "bytes").open("wb") as file, _until_it_is_full():
                step = MIB
                while step:
                    try:
                        os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), step)
                    except OSError as error:
                        if error.errno != errno.ENOSPC:
                            raise
                        step = step // 16 // 4096 * 4096
            with _until_it_is_full():
                for number in range(_FILES if names else 0):
                    (ballast / str(number)).symlink_to("nothing")
            yield
        finally:
            for file in ballast.iterdir():
                file.unlink()
            ballast.rmdir()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Inside the block nothing can be written. Nobody may have a file open for writing."""
        self._remount("ro")
        try:
            yield
        finally:
            self._remount("rw")

    def _remount(self, how: str) -> None:
        self.run("mount", "-o", f"remount,{how}", "tmpfs", str(self.inside))

    def drafts(self) -> list[Path]:
        """What was begun under a hidden name and is still there."""
        return [path for path in self.path.rglob(".*") if path.is_file()]


class FailingDisk(Mounted):
    """An ext4 that can fail under open files, as one does whose hardware no longer answers."""

    def __init__(self, mounted_at: Path, size: int) -> None:
        if os.geteuid() != 0:
            raise CannotMount("only root may mount a file as a disk")
        self._image = mounted_at.with_suffix(".ext4")
        with self._image.open("wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", str(self._image)], check=True)
        super().__init__(mounted_at, "-o", "loop", str(self._image))

    def fail(self) -> None:
        """From now on nothing is written any more: it is read-only."""
        self.run("mount", "-o", "remount,abort", str(self.inside))

    def mend(self) -> None:
        """Mounted anew, with what had reached it. Nobody may have a file of it open."""
        self.run("umount", str(self.inside))
        self.run("mount", "-o", "loop", str(self._image), str(self.inside))


@contextmanager
def _until_it_is_full() -> Iterator[None]:
    with suppress(OSError):
        yield


@pytest.fixture
def place_for_all() -> Iterator[Path]:
    """A folder that other accounts can reach too, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="zhenglian-disk-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def small_disk(place_for_all: Path) -> Iterator[SmallDisk]:
    try:
        disk = SmallDisk(place_for_all / "small", 80 * MIB)
    except CannotMount as refused:
        no_disk(refused)
    with disk:
        yield disk


@pytest.fixture
def failing_disk(place_for_all: Path) -> Iterator[FailingDisk]:
    try:
        disk = FailingDisk(place_for_all / "failing", 2 * MARGIN_BYTES)
    except CannotMount as refused:
        no_disk(refused)
    with disk:
        yield disk
