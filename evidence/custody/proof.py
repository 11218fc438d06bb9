"""The proof that one entry stands in the log, as a file: c2sp.org/tlog-proof@v1."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from evidence.custody import merkle
from evidence.custody.checkpoint import Checkpoint, verify_checkpoint
from evidence.errors import ProofBroken

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProof:
    """Leaf `index`, the path from its sibling to the root, and the checkpoint's note verbatim."""

    index: int
    path: Sequence[bytes]
    checkpoint: str
    extra: bytes | None = None

    def __str__(self) -> str:
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(node).decode() for node in self.path]
        return "\n".join([*lines, "", self.checkpoint])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ProofBroken where a line is not what it should be."""
        head, blank, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or lines.pop(0) != _HEADER:
            raise ProofBroken("This is not a proof of c2sp.org/tlog-proof@v1.")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = _bytes(lines.pop(0).removeprefix("extra "))
        found = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if not found:
            raise ProofBroken("The proof has no index.")
        path = [_bytes(line) for line in lines]
        if any(len(node) != 32 for node in path):
            raise ProofBroken("A line of the proof is not 32 bytes.")
        return cls(index=int(found[1]), path=path, checkpoint=checkpoint, extra=extra)

    def verify(self, entry: bytes, verifier_key: str) -> Checkpoint:
        """The checkpoint under which `entry` is proven to stand at `index`.

        Raises NoteMalformed, SignatureInvalid, ProofBroken.
        """
        checkpoint = verify_checkpoint(self.checkpoint, verifier_key)
        merkle.verify_inclusion(
            merkle.leaf_hash(entry), self.index, checkpoint.size, self.path, checkpoint.root
        )
        return checkpoint


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProofBroken("A line of the proof is not base64.") from None
