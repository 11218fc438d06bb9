"""The journal of an upload on an S3 service: a small object that alone knows how far it has come.

It is replaced as a whole, on condition that nobody has replaced it since it was read: whoever
opens a writer puts its own nonce into it, and from then on every older writer's replacement is
refused. So the journal is lease and fence in one, for all processes on all machines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from evidence.digests import Segment


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the multipart upload that the service has, with the segments in it."""

    number: int
    etag: str
    sha256: str  # base64, as the service wants it
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What is durable: the parts, and behind them the tail, which is too short to be a part."""

    multipart: str
    length: int | None = None
    nonce: str = ""
    open: bool = False
    parts: tuple[Part, ...] = ()
    tail: str = ""  # the name of its object
    tail_segments: tuple[Segment, ...] = ()
    completed: bool = False
    version: str = ""  # of the completed data, where the bucket keeps versions
    filed: str = ""  # the name under which the data was filed
    numbers: int = field(default=0)  # part numbers up to this may have been used
    surplus: bool = False  # other data had that name already
    removed: bool = False  # what was given up is filed no more

    @property
    def segments(self) -> list[Segment]:
        found = [segment for part in self.parts for segment in part.segments]
        return found + list(self.tail_segments)

    @property
    def offset(self) -> int:
        return sum(segment.length for segment in self.segments)

    @property
    def tail_length(self) -> int:
        return sum(segment.length for segment in self.tail_segments)

    def but(self, **changes: Any) -> Self:
        return replace(self, **changes)

    def written(self) -> bytes:
        said = {
            "multipart": self.multipart,
            "length": self.length,
            "nonce": self.nonce,
            "open": self.open,
            "parts": [
                [part.number, part.etag, part.sha256, _told(part.segments)] for part in self.parts
            ],
            "tail": self.tail,
            "tail_segments": _told(self.tail_segments),
            "completed": self.completed,
            "version": self.version,
            "filed": self.filed,
            "numbers": self.numbers,
            # Only where it is so: a process of an older version knows no such word.
            **{name: True for name in ("surplus", "removed") if getattr(self, name)},
        }
        return json.dumps(said, separators=(",", ":")).encode()

    @classmethod
    def read(cls, content: bytes) -> Self:
        said = json.loads(content)
        parts = tuple(
            Part(number, etag, sha256, _segments(told))
            for number, etag, sha256, told in said.pop("parts")
        )
        tail_segments = _segments(said.pop("tail_segments"))
        # What a newer version has to say besides is for its own processes.
        known = {one.name: said[one.name] for one in fields(cls) if one.name in said}
        return cls(parts=parts, tail_segments=tail_segments, **known)


def _told(segments: tuple[Segment, ...]) -> list[list[Any]]:
    return [[segment.length, segment.sha256.hex()] for segment in segments]


def _segments(told: list[list[Any]]) -> tuple[Segment, ...]:
    return tuple(Segment(length, bytes.fromhex(digest)) for length, digest in told)
