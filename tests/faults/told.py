"""A recording that somebody brings in, and what they were told of it."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass
class Told:
    """What the server has said of one recording."""

    seed: int
    size: int
    sha256: str = ""
    where: str = ""
    acknowledged: int = 0
    given: bytes = b""  # instead of bytes of no meaning

    def content(self) -> bytes:
        """Made anew: of a long storm they would not all have room in memory."""
        return self.given or random.Random(self.seed).randbytes(self.size)
