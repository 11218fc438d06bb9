"""Secrets that a person must read once, in files for their owner alone."""

from __future__ import annotations

import os
from pathlib import Path


def keep_secret(path: Path, content: str) -> None:
    """Write a file that its owner alone can read, durable, in one step."""
    draft = path.with_name(f".{path.name}.draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
