"""The signed head of the log (c2sp.org/tlog-checkpoint): origin, size, root."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Self

from evidence.custody.note import verify_note
from evidence.errors import NoteMalformed, SignatureInvalid

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


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
        if not _SIZE.fullmatch(lines[1]):
            raise NoteMalformed("A checkpoint's size is a decimal number.")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except (binascii.Error, ValueError):
            raise NoteMalformed("A checkpoint's root is base64.") from None
        if len(root) != 32 or base64.b64encode(root).decode() != lines[2]:
            raise NoteMalformed("A checkpoint's root has 32 bytes.")
        return cls(origin=lines[0], size=int(lines[1]), root=root)


def verify_checkpoint(note: str, *verifier_keys: str) -> Checkpoint:
    """The checkpoint that `note` proves, of the log that the keys are named after.

    One of the keys must have signed, and none wrongly. Raises NoteMalformed, SignatureInvalid.
    """
    checkpoint = Checkpoint.parse(verify_note(note, verifier_keys))
    if any(checkpoint.origin != key.partition("+")[0] for key in verifier_keys):
        raise SignatureInvalid("The checkpoint is of another log than its key.")
    return checkpoint
