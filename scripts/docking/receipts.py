"""What a receipt proves. Trusts the pinned verifier keys of the token file alone."""

from __future__ import annotations

from collections.abc import Sequence

from evidence.errors import EvidenceError, ProofBroken
from evidence.exhibits.receipt import Receipt, verify_receipt
from scripts.docking.troubles import Unproven


def prove(receipt: str, keys: Sequence[str], sha256: str, size: int) -> Receipt:
    """The receipt, proven to be the server's word that it keeps `size` bytes of this digest.

    Raises Unproven.
    """
    if not keys:
        raise Unproven("no_key")
    if not receipt:
        raise Unproven("no_receipt")
    try:
        return verify_receipt(receipt, keys, sha256=sha256, size=size)
    except ProofBroken as error:
        raise Unproven("receipt_of_other", reason=str(error)) from None
    except EvidenceError as error:
        raise Unproven("receipt_forged", reason=str(error)) from None
