"""What bytes are, by how they begin. Pure: a name or a claimed type has no say."""

from __future__ import annotations

HEAD_BYTES = 4096

_BEGINNINGS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x1a\x45\xdf\xa3", "video/x-matroska"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"\x7fELF", "application/x-executable"),
)
_RIFF = {b"AVI ": "video/x-msvideo", b"WAVE": "audio/wav", b"WEBP": "image/webp"}
_ATOMS = {b"moov", b"mdat", b"free", b"wide", b"skip"}
_TS_PACKET = 188

# What a name promises, by its ending; None: nothing is promised.
_PROMISED = {
    "mp4": {"video/mp4", "video/quicktime", "audio/mp4"},
    "mov": {"video/mp4", "video/quicktime"},
    "m4a": {"audio/mp4", "video/mp4"},
    "avi": {"video/x-msvideo"},
    "ts": {"video/mp2t"},
    "mts": {"video/mp2t"},
    "jpg": {"image/jpeg"},
    "jpeg": {"image/jpeg"},
    "png": {"image/png"},
    "wav": {"audio/wav"},
    "mp3": {"audio/mpeg"},
    "aac": {"audio/aac"},
    "mkv": {"video/x-matroska"},
    "zip": {"application/zip"},
    "pdf": {"application/pdf"},
}


def media_type(head: bytes) -> str:
    """The MIME type of bytes that begin with `head`; application/octet-stream where unknown."""
    for offset, beginning, found in _BEGINNINGS:
        if head[offset : offset + len(beginning)] == beginning:
            return found
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "application/octet-stream")
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand == b"qt  ":
            return "video/quicktime"
        return "audio/mp4" if brand.startswith(b"M4A") else "video/mp4"
    if head[4:8] in _ATOMS:
        return "video/mp4"
    if len(head) > _TS_PACKET and head[0] == 0x47 and head[_TS_PACKET] == 0x47:
        return "video/mp2t"
    if head[:2] in (b"\xff\xf1", b"\xff\xf9"):
        return "audio/aac"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "audio/mpeg"
    return "application/octet-stream"


def contradicts(name: str, found: str) -> bool:
    """Whether a file of this name is not what its ending says."""
    ending = name.rsplit(".", 1)[-1].lower() if "." in name else ""
    promised = _PROMISED.get(ending)
    return promised is not None and found not in promised


def is_media(found: str) -> bool:
    return found.startswith(("video/", "audio/", "image/"))
