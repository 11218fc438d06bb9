"""A disk that is mounted in a namespace of its own.

So no privilege is needed for a tmpfs where the system lets people have a user namespace, and
nothing is left mounted however the run ends. Whoever stands outside reaches it below /proc;
SQLite, which follows that link by itself, has to be run within (`entering`).
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, Self

import pytest

# Set where whoever runs the tests has seen to it that disks can be mounted, as .ci/run does.
MUST = "TESTS_MUST_MOUNT"
_FIRST_STEP = 16**7  # which 4096 divides by sixteens
# Until the pipe to it is closed, be it by the death of the run.
_HOLDING = ("sh", "-c", 'mount "$@" && echo mounted && exec cat', "sh")


class CannotMount(Exception):
    """The system lets this account mount nothing; the message is what it said."""


class Mounted:
    """What `mount` mounts with these arguments, at a folder that is made for it."""

    def __init__(self, mounted_at: Path, *how: str) -> None:
        mounted_at.mkdir()
        self.inside = mounted_at  # its path for whoever has entered
        self._user = [] if os.geteuid() == 0 else ["--user"]
        mapped = ["--map-root-user"] if self._user else []
        self._holder = subprocess.Popen(
            ["unshare", "--mount", *self._user, *mapped, *_HOLDING, *how, str(mounted_at)],
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

    @property
    def entering_as_oneself(self) -> list[str]:
        """The same for a command that refuses to run as root, which one is in there."""
        ids = [f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"]
        return [*self.entering, *(["unshare", "--user", *ids] if self._user else [])]

    def run(self, *command: str) -> None:
        """As root, where the disk is mounted."""
        subprocess.run([*self.entering, *command], check=True)

    @contextmanager
    def full(self, *, names: int = 0) -> Iterator[None]:
        """Inside the block there is no room for a byte, nor, where it has that many, for a name."""
        ballast = self._ballast
        ballast.mkdir()
        try:
            with (ballast / "bytes").open("wb") as file, suppress(OSError):
                step = _FIRST_STEP
                while step:
                    try:
                        os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), step)
                    except OSError as error:
                        if error.errno != errno.ENOSPC:
                            raise
                        step = step // 16 // 4096 * 4096
            with suppress(OSError):
                for number in range(names):
                    (ballast / str(number)).symlink_to("nothing")
            yield
        finally:
            self._unload()

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    def _unload(self) -> None:
        shutil.rmtree(self._ballast, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.communicate()


def no_disk(refused: CannotMount, environ: Mapping[str, str] = os.environ) -> NoReturn:
    """Skip the test, and say why; fail it where somebody counts on its being run."""
    words = f"no disk can be mounted here, not even in a namespace of its own: {refused}"
    if environ.get(MUST):
        pytest.fail(words)
    pytest.skip(words)
