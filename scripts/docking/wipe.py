"""Removing a file from the card. Trusts a receipt signed by the pinned key, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from scripts.docking.card import CardFile, digests
from scripts.docking.receipts import prove
from scripts.docking.troubles import CardTrouble, Unproven


def clear(
    file: CardFile,
    sha256: str,
    keys: Sequence[str],
    receipt: str,
    reading: Callable[[int], None],
) -> None:
    """Remove `file`, durably, once the server is proven to hold these very bytes.

    Raises Unproven or CardTrouble, and then the file is still there.
    """
    # (1) The receipt is signed by the pinned key and speaks of this digest and size.
    prove(receipt, keys, sha256, file.size)
    # (2) The card still holds the bytes that the receipt speaks of.
    if digests(file, reading, from_the_card=True)[0] != sha256:
        raise Unproven("card_differs")
    # (3) The name still leads to the file that was read.
    try:
        if not file.same_as(os.stat(file.path, follow_symlinks=False)):
            raise CardTrouble("file_changed")
        os.unlink(file.path)
        _make_durable(file)
    except OSError as error:
        raise CardTrouble("not_removed", reason=error.strerror or str(error)) from None


def _make_durable(file: CardFile) -> None:
    folder = os.open(file.path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
