"""A real disk of a few hundred MiB that a test may fill, empty, and have read-only.

It is a tmpfs in a mount namespace of its own, so that no privilege is needed where the system
lets people have a user namespace, and nothing is left mounted however the run ends. Whoever
stands outside reaches it below /proc; SQLite, which follows that link by itself, has to be run
within (`entering`).
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

from evidence.storage.filesystem import MARGIN_BYTES

MIB = 1024 * 1024
_FILES = 3000
# Until the pipe to it is closed, be it by the death of the run.
_HOLDING = ("sh", "-c", 'mount -t tmpfs -o "$1" tmpfs "$2" && echo mounted && exec cat', "sh")


class CannotMount(Exception):
    """The system lets this account mount nothing; the message is what it said."""


class SmallDisk:
    """`room` bytes for use beside the margin that every store leaves free."""

    def __init__(self, mounted_at: Path, room: int) -> None:
        mounted_at.mkdir()
        self.inside = mounted_at  # its path for whoever has entered
        self._user = [] if os.geteuid() == 0 else ["--user"]
        options = f"size={MARGIN_BYTES + room},nr_inodes={_FILES},mode=0700"
        mapped = ["--map-root-user"] if self._user else []
        self._holder = subprocess.Popen(
            ["unshare", "--mount", *self._user, *mapped, *_HOLDING, options, str(mounted_at)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "mounted\n":
            raise CannotMount(self._holder.communicate()[1].strip())

    @property
    def path(self) -> Path:
        """Its path from outside."""
        return Path(f"/proc/{self._holder.pid}/root{self.inside}")

    @property
    def entering(self) -> list[str]:
        """What a command begins with that is to run where the disk is mounted."""
        user = [*self._user, "--preserve-credentials"] if self._user else []
        here = f"--chdir={Path.cwd()}"
        return ["nsenter", f"--target={self._holder.pid}", "--mount", *user, "env", here]

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
        command = [*self.entering, "mount", "-o", f"remount,{how}", "tmpfs", str(self.inside)]
        subprocess.run(command, check=True)

    def drafts(self) -> list[Path]:
        """What was begun under a hidden name and is still there."""
        return [path for path in self.path.rglob(".*") if path.is_file()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.communicate()


@contextmanager
def _until_it_is_full() -> Iterator[None]:
    with suppress(OSError):
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        disk = SmallDisk(tmp_path / "disk", 80 * MIB)
    except CannotMount as error:
        pytest.skip(f"no disk can be mounted here, not even in a namespace of its own: {error}")
    with disk:
        yield disk
