"""HTTP's questions about bytes: which stretch (RFC 9110 section 14), and under which name."""

from __future__ import annotations

import re
from urllib.parse import quote

_RANGE = re.compile(r"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.ASCII | re.IGNORECASE)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f"\\/:*?<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]')


class Unsatisfiable(Exception):
    """No byte of the range exists."""


def stretch(header: str | None, size: int) -> tuple[int, int] | None:
    """(first byte, number of bytes) of a single range; None means everything.

    Several ranges, another unit, or what is no range at all is ignored, as the RFC allows.
    Raises Unsatisfiable.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if not found or found.groups() == ("", ""):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        if not length:
            raise Unsatisfiable
        return size - length, length
    first = int(found[1])
    last = int(found[2]) if found[2] else size - 1
    if found[2] and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return first, min(last, size - 1) - first + 1


def safe_name(name: str) -> str:
    """A file name that no system takes for a path, a command or another direction of text."""
    plain = _UNSAFE.sub("_", name).strip(" .")
    return plain[-180:] or "original"


def attachment(name: str) -> str:
    """Content-Disposition for `name`: RFC 6266, with the whole name by RFC 8187."""
    name = safe_name(name).encode("utf-8", "replace").decode()
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
