"""scripts/move-store as a process of its own that is killed while it copies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.live import ROOT


def killed_on_its_way(
    chance: random.Random, *arguments: str, within: float = 1.0, **environ: str
) -> None:
    """Begin it, and kill it some moments after it has begun to copy, `within` so many seconds."""
    command = [sys.executable, str(ROOT / "scripts" / "move-store"), *arguments]
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, env={**os.environ, **environ}
    )
    while not _copies(process.pid):
        assert process.poll() is None, "it ended before it began"
        time.sleep(0.005)
    time.sleep(chance.uniform(0.0, within))
    with suppress(ProcessLookupError):  # it has done everything, and gone
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _copies(pid: int) -> bool:
    """Whether it has taken its lock, which it does when everything is read that it needs."""
    with suppress(FileNotFoundError):  # a file that it has just closed
        return any(
            file.readlink().name == "move-store.lock" for file in Path(f"/proc/{pid}/fd").iterdir()
        )
    return False
