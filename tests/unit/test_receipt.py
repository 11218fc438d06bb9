"""The receipt that lets a dock clear a card: for exactly these bytes, by exactly this key."""

from __future__ import annotations

import datetime as dt
from uuid import uuid4

import pytest

from evidence.custody.note import Signer
from evidence.errors import EvidenceError, ProofBroken, SignatureInvalid
from evidence.exhibits.receipt import sign_receipt, verify_receipt

SHA256 = "ab" * 32
SIGNER = Signer("zhenglian.test/log", b"\1" * 32)


def receipt(sha256: str = SHA256, size: int = 5) -> str:
    return sign_receipt(
        SIGNER,
        upload=uuid4(),
        exhibit=uuid4(),
        label="E2023-000001",
        sha256=sha256,
        size=size,
        sealed_at=dt.datetime(2023, 9, 15, tzinfo=dt.UTC),
    )


def test_a_receipt_holds_for_its_bytes() -> None:
    read = verify_receipt(receipt(), [SIGNER.verifier_key], sha256=SHA256, size=5)
    assert (read.origin, read.label, read.sha256, read.size) == (
        "zhenglian.test/log", "E2023-000001", SHA256, 5,
    )  # fmt: skip


def test_a_receipt_names_the_sm3_where_it_was_taken() -> None:
    note = sign_receipt(
        SIGNER,
        upload=uuid4(),
        exhibit=uuid4(),
        label="E2023-000001",
        sha256=SHA256,
        sm3="cd" * 32,
        size=5,
        sealed_at=dt.datetime(2023, 9, 15, tzinfo=dt.UTC),
    )
    read = verify_receipt(note, [SIGNER.verifier_key], sha256=SHA256, size=5)
    assert read.sm3 == "cd" * 32
    assert verify_receipt(receipt(), [SIGNER.verifier_key], sha256=SHA256, size=5).sm3 is None


@pytest.mark.parametrize(("sha256", "size"), [("cd" * 32, 5), (SHA256, 6)])
def test_a_receipt_for_other_bytes_clears_nothing(sha256: str, size: int) -> None:
    with pytest.raises(ProofBroken):
        verify_receipt(receipt(), [SIGNER.verifier_key], sha256=sha256, size=size)


def test_a_receipt_by_another_key_of_the_same_name_clears_nothing() -> None:
    other = Signer(SIGNER.name, b"\2" * 32)
    with pytest.raises(SignatureInvalid):
        verify_receipt(receipt(), [other.verifier_key], sha256=SHA256, size=5)


def test_another_note_by_the_same_key_is_no_receipt() -> None:
    checkpoint = SIGNER.sign("zhenglian.test/log\n5\nq80=\n")
    with pytest.raises(ProofBroken):
        verify_receipt(checkpoint, [SIGNER.verifier_key], sha256=SHA256, size=5)


def test_not_one_changed_byte_is_accepted() -> None:
    whole = receipt().encode()
    for at in range(len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        with pytest.raises(EvidenceError):
            verify_receipt(changed.decode("latin-1"), [SIGNER.verifier_key], sha256=SHA256, size=5)
