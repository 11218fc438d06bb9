"""Digests of originals, and of the segments in which they arrived."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from evidence.errors import InvalidInput

SEGMENT_BYTES = 8 * 1024 * 1024
_RECORD = struct.Struct(">Q32s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A digest of an original, as 32 bytes and the algorithm that made it."""

    algorithm: Literal["sha256", "sm3"]
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != 32:
            raise InvalidInput("A SHA-256 or SM3 digest has 32 bytes.")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value.hex()}"

    @property
    def hex(self) -> str:
        return self.value.hex()

    @classmethod
    def sm3(cls, value: bytes) -> Self:
        return cls(algorithm="sm3", value=value)

    @classmethod
    def sha256(cls, hexadecimal: str) -> Self:
        """From 64 hexadecimal digits, either case. Raises InvalidInput."""
        try:
            return cls(algorithm="sha256", value=bytes.fromhex(hexadecimal.strip()))
        except ValueError:
            raise InvalidInput("A SHA-256 digest is written as 64 hexadecimal digits.") from None


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of an original as it arrived: its length in bytes and its SHA-256."""

    length: int
    sha256: bytes


def pack_segments(segments: Iterable[Segment]) -> bytes:
    """The stored form: for each segment an unsigned 64-bit length and 32 bytes, big-endian."""
    return b"".join(_RECORD.pack(s.length, s.sha256) for s in segments)


def unpack_segments(packed: bytes) -> list[Segment]:
    """The inverse of pack_segments. Raises InvalidInput on a torn record."""
    if len(packed) % _RECORD.size:
        raise InvalidInput("The list of segments is torn.")
    return [Segment(length, digest) for length, digest in _RECORD.iter_unpack(packed)]


def segments_digest(segments: Sequence[Segment]) -> str:
    """SHA-256, as hex, over the packed list: what an event says to commit to all segments."""
    return hashlib.sha256(pack_segments(segments)).hexdigest()
