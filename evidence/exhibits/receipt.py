"""The signed receipt: what lets a dock clear a card.

A C2SP signed note by the log's key. It says that these bytes, by digest and size, were read back
equal and filed; there is none for what was quarantined.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from evidence.custody.append import timestamp
from evidence.custody.note import Signer, verify_note
from evidence.errors import ProofBroken

_FIRST = "zhenglian-receipt/v1"
_MEMBERS = ("upload", "exhibit", "label", "sha256", "size", "sealed")
_WITH_SM3 = ("upload", "exhibit", "label", "sha256", "sm3", "size", "sealed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a verified receipt says."""

    origin: str
    upload: UUID
    exhibit: UUID
    label: str
    sha256: str
    sm3: str | None
    size: int
    sealed: str  # RFC 3339


def sign_receipt(
    signer: Signer,
    *,
    upload: UUID,
    exhibit: UUID,
    label: str,
    sha256: str,
    sm3: str | None = None,
    size: int,
    sealed_at: dt.datetime,
) -> str:
    """The receipt of a sealed original, as a signed note."""
    lines = [
        _FIRST,
        signer.name,
        f"upload {upload}",
        f"exhibit {exhibit}",
        f"label {label}",
        f"sha256 {sha256}",
        *([f"sm3 {sm3}"] if sm3 else []),
        f"size {size}",
        f"sealed {timestamp(sealed_at)}",
    ]
    return signer.sign("\n".join(lines) + "\n")


def verify_receipt(note: str, verifier_keys: Sequence[str], *, sha256: str, size: int) -> Receipt:
    """The receipt, proven by one of the keys to be for these bytes.

    Raises NoteMalformed, SignatureInvalid; ProofBroken where it is no receipt, or for others.
    """
    # (1) the signature, before a word of it is believed
    lines = verify_note(note, verifier_keys).split("\n")
    # (2) a receipt, and not another note by the same key
    said = dict(line.partition(" ")[::2] for line in lines[2:-1])
    whole = tuple(said) in (_MEMBERS, _WITH_SM3) and len(said) == len(lines) - 3
    if lines[0] != _FIRST or not whole:
        raise ProofBroken("This note is not a receipt.")
    # (3) for these bytes
    if said["sha256"] != sha256 or said["size"] != str(size):
        raise ProofBroken("The receipt is for other bytes.")
    try:
        return Receipt(
            origin=lines[1],
            upload=UUID(said["upload"]),
            exhibit=UUID(said["exhibit"]),
            label=said["label"],
            sha256=said["sha256"],
            sm3=said.get("sm3"),
            size=size,
            sealed=said["sealed"],
        )
    except ValueError:
        raise ProofBroken("This note is not a receipt.") from None
