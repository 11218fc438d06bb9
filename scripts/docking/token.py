"""The token file: the token on its first line, `key <verifier key>` for receipts on another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from scripts.docking.troubles import Trouble

_TOKEN = re.compile(r"[!-~]+", re.ASCII)
_KEY = re.compile(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*")


@dataclass(frozen=True, slots=True)
class TokenFile:
    """`open_to_others` where group or world may read it."""

    token: str
    keys: tuple[str, ...]
    open_to_others: bool


def read(path: Path) -> TokenFile:
    """Raises Trouble where the file cannot be read or understood."""
    try:
        text = path.read_text("utf-8")
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Trouble("token_file_unreadable", reason=reason) from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    keys = tuple(line.split(None, 1)[1] for line in lines[1:] if line.startswith("key "))
    if (
        not lines
        or not _TOKEN.fullmatch(lines[0])
        or len(keys) != len(lines) - 1
        or not all(map(_KEY.fullmatch, keys))
    ):
        raise Trouble("token_file_malformed", path=str(path))
    return TokenFile(lines[0], keys, bool(mode & 0o077))
