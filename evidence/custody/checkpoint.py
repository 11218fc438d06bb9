"""A checkpoint (c2sp.org/tlog-checkpoint) and a proof of inclusion (c2sp.org/tlog-proof)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from evidence.errors import NoteMalformed


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The head of a log: how many leaves, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a note's text; extension lines are ignored. Raises NoteMalformed."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or lines[-1]:
            raise NoteMalformed("A checkpoint has an origin, a size and a root.")
        if not (lines[1].isascii() and lines[1].isdigit()) or lines[1] != str(int(lines[1])):
            raise NoteMalformed("A checkpoint's size is a decimal number.")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except (binascii.Error, ValueError):
            raise NoteMalformed("A checkpoint's root is base64.") from None
        if len(root) != 32:
            raise NoteMalformed("A checkpoint's root has 32 bytes.")
        return cls(origin=lines[0], size=int(lines[1]), root=root)


def tlog_proof(index: int, path: Sequence[bytes], checkpoint: str) -> str:
    """The text of a .tlog-proof: leaf `index` is in the tree that the signed `checkpoint` heads."""
    hashes = "".join(f"{base64.b64encode(h).decode()}\n" for h in path)
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{checkpoint}"
