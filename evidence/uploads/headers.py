"""What the headers of tus 1.0.0 say (tus.io). Pure: text in, values out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from uuid import UUID

from evidence.errors import InvalidInput, MalformedUploadMetadata, UnsupportedChecksum

VERSION = "1.0.0"
EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "concatenation",
    "termination",
)
CHECKSUM_ALGORITHMS = ("sha1", "sha256")
CONTENT_TYPE = "application/offset+octet-stream"
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_KEY = re.compile(r"[!-+\--~]+", re.ASCII)  # printable, no space and no comma
_DIGEST = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_OURS = frozenset(
    {
        "filename",
        "name",
        "filetype",
        "type",
        "recorder",
        "recorded_at",
        "sha256",
        "sm3",
        "case",
        "event_id",
    }
)
_LONGEST = {"filename": 1024, "name": 1024}
_LONGEST_OTHER = 255
MOST_PARTS = 1000


def number(name: str, text: str) -> int:
    """A header that is a count of bytes. Raises InvalidInput."""
    if not _NUMBER.fullmatch(text.strip()):
        raise InvalidInput(f"{name} is a number of bytes, not {text[:40]!r}.")
    return int(text)


def deferred(text: str) -> bool:
    """Upload-Defer-Length: the only value is 1. Raises InvalidInput."""
    if text.strip() != "1":
        raise InvalidInput("Upload-Defer-Length can only be 1.")
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What the source says of the upload; nothing of it is trusted."""

    filename: str = ""
    filetype: str = ""
    recorder: str = ""
    recorded_at: str = ""
    sha256: str | None = None
    sm3: str | None = None
    case: str = ""
    event_id: UUID | None = None


def metadata(header: str) -> Claims:
    """Upload-Metadata: comma-separated `key base64`, each key once; unknown keys are ignored.

    A NUL, which no database can hold, becomes the visible U+2400. Raises
    MalformedUploadMetadata, naming the key.
    """
    said: dict[str, str] = {}
    for pair in filter(None, (p.strip() for p in header.split(","))):
        key, _, encoded = pair.partition(" ")
        if not _KEY.fullmatch(key) or key in said:
            raise MalformedUploadMetadata(f"Upload-Metadata: {key[:40]!r} is no key, or is twice.")
        said[key] = _text(key, encoded.strip())
    return _claims(said)


def _claims(said: dict[str, str]) -> Claims:
    return Claims(
        filename=said.get("filename", said.get("name", "")),
        filetype=said.get("filetype", said.get("type", "")),
        recorder=said.get("recorder", ""),
        recorded_at=said.get("recorded_at", ""),
        sha256=_digest("sha256", said),
        sm3=_digest("sm3", said),
        case=said.get("case", ""),
        event_id=_uuid(said.get("event_id", "")),
    )


def _digest(key: str, said: dict[str, str]) -> str | None:
    value = said.get(key, "").strip()
    if value and not _DIGEST.fullmatch(value):
        raise MalformedUploadMetadata(f"Upload-Metadata: {key} is 64 hexadecimal digits.")
    return value.lower() or None


def _text(key: str, encoded: str) -> str:
    try:
        content = base64.b64decode(encoded, validate=True)
        value = content.decode("utf-8") if key in _OURS else ""
    except (binascii.Error, ValueError):
        raise MalformedUploadMetadata(
            f"Upload-Metadata: the value of {key[:40]!r} is not base64 of UTF-8."
        ) from None
    if len(value) > _LONGEST.get(key, _LONGEST_OTHER):
        raise MalformedUploadMetadata(f"Upload-Metadata: the value of {key[:40]!r} is too long.")
    return value.replace("\0", "\N{SYMBOL FOR NULL}")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise MalformedUploadMetadata("Upload-Metadata: event_id is a UUID.") from None


@dataclass(frozen=True, slots=True)
class Checksum:
    """Upload-Checksum: the algorithm, and the digest that the body must have."""

    algorithm: str
    value: bytes

    def new(self) -> hashlib._Hash:
        # sha1 is offered because tus demands it; it guards against accidents on the wire only.
        return hashlib.new(self.algorithm, usedforsecurity=False)


def checksum(header: str) -> Checksum:
    """Raises UnsupportedChecksum, InvalidInput."""
    algorithm, _, encoded = header.strip().partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        raise UnsupportedChecksum(f"Offered are {', '.join(CHECKSUM_ALGORITHMS)}.")
    try:
        value = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise InvalidInput("Upload-Checksum is an algorithm and the base64 of its digest.")
    return Checksum(algorithm, value)


def concatenation(header: str) -> list[UUID] | None:
    """Upload-Concat: None for `partial`; for `final;…` the ids its URLs end in.

    Raises InvalidInput.
    """
    kind, _, urls = header.strip().partition(";")
    if kind == "partial" and not urls:
        return None
    try:
        parts = [UUID(url.rstrip("/").rsplit("/", 1)[-1]) for url in urls.split()]
    except ValueError:
        parts = []
    if kind != "final" or not parts or len(parts) > MOST_PARTS:
        raise InvalidInput("Upload-Concat is `partial`, or `final;` and the partial uploads' URLs.")
    return parts


def parts(concat: str | None) -> list[UUID]:
    """The partial uploads that an Upload-Concat joins: none unless it is `final`."""
    return (concatenation(concat) or []) if concat else []
