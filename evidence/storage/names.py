"""What may be asked of a store by name: digests and tile paths, and nothing else that is a path.

And the staging areas that are no upload's: those by which one store is copied into another.
"""

from __future__ import annotations

import os
import re
from uuid import UUID

from evidence.errors import InvalidInput

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TILE = re.compile(r"tile/(?:[0-9]+|entries)/(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[0-9]{1,3})?", re.ASCII)

_MIRRORING = b"mirrored"


def is_sha256(name: str) -> bool:
    return _SHA256.fullmatch(name) is not None


def sha256(name: str) -> str:
    """`name` itself. Raises InvalidInput unless it is a SHA-256 in lower-case hex."""
    if not is_sha256(name):
        raise InvalidInput("A SHA-256 digest is written as 64 hexadecimal digits.")
    return name


def is_tile(path: str) -> bool:
    return _TILE.fullmatch(path) is not None


def tile(path: str) -> str:
    """`path` itself. Raises InvalidInput unless it is a tile's or an entry bundle's (C2SP)."""
    if not is_tile(path):
        raise InvalidInput("This is not the path of a tile.")
    return path


def mirroring() -> UUID:
    """A new staging area, through which something is copied from another store.

    Never one that was: two machines that copy the same thing have nothing in common.
    """
    return UUID(bytes=_MIRRORING + os.urandom(8))


def is_mirroring(upload_id: UUID) -> bool:
    """Whether the staging area is no upload's, but such a copy's."""
    return upload_id.bytes.startswith(_MIRRORING)
