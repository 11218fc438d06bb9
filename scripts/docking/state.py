"""Where each unfinished upload stands at its server, kept over a crash of the dock.

Trusts nothing to it: the server finds an upload again by its event id, so a state that is lost
or damaged costs one question and never a byte.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path


def default_folder() -> Path:
    """As the XDG base directory specification has it."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "zhenglian-dock"


class State:
    """Locations by event id, in one SQLite file that several docks may share."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError or sqlite3.Error where the folder cannot be written."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._rows = _opened(folder / "uploads.db")

    def location(self, event_id: str) -> str | None:
        """The path of the upload at its server, if one was noted."""
        with self._lock:
            row = self._rows.execute(
                "SELECT location FROM uploads WHERE event_id = ?", (event_id,)
            ).fetchone()
        return str(row[0]) if row else None

    def note(self, event_id: str, location: str) -> None:
        """Durable on return: called before the first byte is sent."""
        # A full disk here must not keep evidence from being sent: the server finds it anyway.
        with suppress(sqlite3.Error), self._lock, self._rows:
            self._rows.execute(
                "INSERT OR REPLACE INTO uploads (event_id, location) VALUES (?, ?)",
                (event_id, location),
            )

    def forget(self, event_id: str) -> None:
        """The upload is closed, or gone."""
        with suppress(sqlite3.Error), self._lock, self._rows:
            self._rows.execute("DELETE FROM uploads WHERE event_id = ?", (event_id,))

    def close(self) -> None:
        with self._lock:
            self._rows.close()


class NoState:
    """Remembers nothing, where no state can be kept."""

    def location(self, event_id: str) -> str | None:
        return None

    def note(self, event_id: str, location: str) -> None:
        pass

    def forget(self, event_id: str) -> None:
        pass

    def close(self) -> None:
        pass


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return _connected(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        path.replace(path.with_suffix(".damaged"))
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    rows = sqlite3.connect(path, timeout=30, check_same_thread=False)
    try:
        rows.execute("PRAGMA synchronous = FULL")
        with rows:
            rows.execute(
                "CREATE TABLE IF NOT EXISTS uploads (event_id TEXT PRIMARY KEY, location TEXT)"
            )
    except sqlite3.Error:
        rows.close()
        raise
    return rows
