"""What a receipt proves. Trusts the pinned verifier keys of the token file alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evidence.custody.note import verify_note
from evidence.errors import EvidenceError
from scripts.docking.troubles import Unproven


@dataclass(frozen=True, slots=True)
class Receipt:
    label: str


def prove(receipt: str, keys: Sequence[str], sha256: str, size: int) -> Receipt:
    """The receipt, proven to be the server's word that it keeps `size` bytes of this digest.

    Raises Unproven.
    """
    if not keys:
        raise Unproven("no_key")
    if not receipt:
        raise Unproven("no_receipt")
    try:
        text = verify_note(receipt, keys)
    except EvidenceError as error:
        raise Unproven("receipt_forged", reason=str(error)) from None
    said = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    if not text.startswith("zhenglian-receipt/v1\n"):
        raise Unproven("receipt_forged", reason="not a receipt")
    if said.get("sha256") != sha256 or said.get("size") != str(size):
        raise Unproven("receipt_of_other")
    return Receipt(said.get("label", ""))
