"""Running ffmpeg on bytes that nobody vouches for: bounded in time, memory, output and reach.

No shell, no stdin: the tools get one local file by its absolute path, the `file:` prefix in front
so that no name can be an option or a URL, or one address on this machine's loopback (lending.py); a
protocol whitelist that leaves them nothing else, and a format whitelist without playlists, which
would name other files and addresses.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evidence.errors import MediaToolFailed, MediaToolOverran, MediaUnreadable

SECONDS = 60
MEMORY_BYTES = 2 * 1024**3
OUTPUT_BYTES = 16 * 1024**2
_MESSAGE_BYTES = 4000
_POINTER = re.compile(r" @ 0x[0-9a-f]+")  # where the tool's own memory was: never the same twice


@dataclass(frozen=True, slots=True)
class Ran:
    """What a tool wrote, and what it complained of."""

    output: bytes
    complaints: str


# Every format that recorders write, and none that refers to other files.
FORMATS = "mov,matroska,avi,mpegts,mpeg,wav,mp3,aac,ogg,flac"


@dataclass(frozen=True, slots=True)
class Source:
    """How a tool is told of a recording, and by which protocols it may reach it."""

    address: str
    protocols: str


def local(path: Path) -> Source:
    return Source(f"file:{path.absolute()}", "file")


# util-linux's prlimit sets the limits in the child itself: nothing of ours runs between fork and
# exec, which in a process with threads could hang.
_CONFINED = (
    "prlimit",
    f"--as={MEMORY_BYTES}",
    f"--cpu={SECONDS}",
    f"--fsize={OUTPUT_BYTES}",
    "--core=0",
    "--",
)


def run(command: Sequence[str], *, seconds: float = SECONDS) -> Ran:
    """Run a media tool.

    Raises MediaUnreadable where it cannot read, MediaToolOverran where it had to be ended,
    MediaToolFailed where there is none.
    """
    # prlimit would report it as the tool's own failure, as if the recording were to blame.
    if shutil.which(command[0]) is None:
        raise MediaToolFailed(f"{command[0]} is not installed.")
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                [*_CONFINED, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=complaints,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
                cwd="/",
            )
        except OSError as error:
            raise MediaToolFailed(f"{command[0]} cannot be started: {error.strerror}.") from None
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise MediaToolOverran(f"{command[0]} took more than {seconds:.0f} s.") from None
        complaints.seek(0)
        said = _repeatable(complaints.read(_MESSAGE_BYTES), command)
        if status < 0:
            raise MediaToolOverran(f"{command[0]} was ended by signal {-status}.")
        if status:
            raise MediaUnreadable(said.splitlines()[-1] if said else f"{command[0]}: {status}")
        output.seek(0)
        return Ran(output.read(OUTPUT_BYTES), said)


def _repeatable(complaints: bytes, command: Sequence[str]) -> str:
    """What the tool said, without where our files are, and the same each time."""
    said = _POINTER.sub("", complaints.decode("utf-8", "replace"))
    for argument in command:
        if argument.startswith(("file:", "http:")):
            said = said.replace(f"{argument}: ", "").replace(argument, "the file")
    return said.strip()
