"""Real disks for tests: a small one to be filled, emptied and had read-only, and one that fails."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    def full(self, *, names: bool | int = True) -> Iterator[None]:
        with super().full(names=_FILES if names else 0):
            yield

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
        # Sparse, and so it stays when it is filled.
        with self._image.open("wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", str(self._image)], check=True)
        super().__init__(mounted_at, "-o", "loop", str(self._image))

    def fail(self) -> None:
        """From now on nothing is written any more: it is read-only."""
        self.run("mount", "-o", "remount,abort", str(self.inside))

    def mend(self) -> None:
        """Mounted anew, with what had reached it, once those who have files of it open are gone."""
        until = time.monotonic() + 20
        unmount = [*self.entering, "umount", "--quiet", str(self.inside)]
        while subprocess.run(unmount, check=False, capture_output=True).returncode:
            assert time.monotonic() < until, "somebody has a file open"
            time.sleep(0.1)
        self.run("mount", "-o", "loop", str(self._image), str(self.inside))
        # It was taken away just before, and that had not reached the disk.
        self._unload()


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
