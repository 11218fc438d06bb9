"""Leaving an original to the proxy in front (X-Accel-Redirect), which reads it from the same disk.

The proxy says with each request under which prefix it serves originals. Whoever comes past it
says nothing, and gets the bytes from us; so does whoever asks in a way that the proxy would judge
by itself, and otherwise than we do.
"""

from __future__ import annotations

import re

from flask import request

from server.extensions import settings, store

ASKED_BY = "X-Accel-Originals"
HEADER = "X-Accel-Redirect"
# Read alike by everybody. nginx answers 416 to much of what RFC 9110 has us ignore.
_PLAIN_RANGE = re.compile(r"bytes=(?:\d{1,18}-\d{0,18}|-\d{1,18})", re.ASCII)
# nginx compares them with the file's own time and tag, before it has ours.
_JUDGED_BY_ITSELF = ("If-Match", "If-Unmodified-Since")


def way_to(sha256: str, asked: str | None, part: tuple[int, int] | None) -> str | None:
    """Where the proxy finds the original; None where the bytes are ours to send.

    `asked` is the Range that counts, and `part` the stretch that it was read as.
    """
    prefix = settings().accel
    if not prefix or request.method != "GET" or request.headers.get(ASKED_BY) != prefix:
        return None
    if any(name in request.headers for name in _JUDGED_BY_ITSELF):
        return None
    if asked is not None and (part is None or not _PLAIN_RANGE.fullmatch(asked)):
        return None
    name = store().local_name(sha256)
    return f"{prefix}{name}" if name else None
