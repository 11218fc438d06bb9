"""Secrets that a person or a dock needs once, in files that their owner alone can read."""

from __future__ import annotations

import os
from pathlib import Path


def keep_secret(path: Path, content: str) -> None:
    """Write a file of mode 0600, durable, in one step."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    # Exclusive: what somebody else may have put there is not written into.
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
