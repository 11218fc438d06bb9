"""The journal of a staging area: which segments are durable, and so where the upload stands.

Append-only, fixed-size records: offset, length, SHA-256 of the segment, and a check of the
record itself. A record that was torn, or that does not follow on the one before, ends the
journal: what lies behind it never counted.
"""

from __future__ import annotations

import hashlib
import os
import struct

from evidence.digests import Segment

_RECORD = struct.Struct(">QQ32s16s")
RECORD_BYTES = _RECORD.size


def _check(offset: int, length: int, digest: bytes) -> bytes:
    body = struct.pack(">QQ", offset, length) + digest
    return hashlib.blake2b(body, digest_size=16, person=b"zl-journal-v1").digest()


def record(offset: int, segment: Segment) -> bytes:
    """The record of a segment that begins at `offset`."""
    return _RECORD.pack(
        offset, segment.length, segment.sha256, _check(offset, segment.length, segment.sha256)
    )


def parse(content: bytes) -> list[Segment]:
    """The segments of a journal, up to the first record that is torn or out of order."""
    segments: list[Segment] = []
    expected = 0
    for begin in range(0, len(content) - RECORD_BYTES + 1, RECORD_BYTES):
        offset, length, digest, check = _RECORD.unpack_from(content, begin)
        if offset != expected or check != _check(offset, length, digest):
            break
        segments.append(Segment(length, digest))
        expected += length
    return segments


def end(segments: list[Segment]) -> int:
    """The offset behind the last segment."""
    return sum(s.length for s in segments)


def read_whole(handle: int) -> bytes:
    """Every byte of an open journal."""
    pieces = []
    at = 0
    while piece := os.pread(handle, 1024 * 1024, at):
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces)
