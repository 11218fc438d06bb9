"""The clock of a process in a test, set by a file: evidence.clock tells the time and what is in it.

Ours alone is set. What Huey, boto3, Redis and PostgreSQL call now is the machine's own.
"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import ExitStack
from pathlib import Path

from evidence import clock

_for_good = ExitStack()


def follow(file: str) -> None:
    """From now on, for as long as this process and its children run."""
    path = Path(file)

    def told() -> dt.datetime:
        seconds = float(path.read_text()) if path.exists() else 0.0
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)

    _for_good.enter_context(clock.replaced_by(told))


def put(file: Path, seconds: float) -> None:
    """Set the clock of all who follow `file`, at once."""
    draft = file.with_name(f"{file.name}.draft")
    draft.write_text(str(seconds))
    os.replace(draft, file)
