"""What may be asked of a store by name: digests and tile paths, and nothing else that is a path."""

from __future__ import annotations

import re

from evidence.errors import InvalidInput

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TILE = re.compile(r"tile/(?:[0-9]+|entries)/(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[0-9]{1,3})?", re.ASCII)


def is_sha256(name: str) -> bool:
    return _SHA256.fullmatch(name) is not None


def sha256(name: str) -> str:
    """`name` itself. Raises InvalidInput unless it is a SHA-256 in lower-case hex."""
    if not is_sha256(name):
        raise InvalidInput("A SHA-256 digest is written as 64 hexadecimal digits.")
    return name


def tile(path: str) -> str:
    """`path` itself. Raises InvalidInput unless it is a tile's or an entry bundle's (C2SP)."""
    if not _TILE.fullmatch(path):
        raise InvalidInput("This is not the path of a tile.")
    return path
