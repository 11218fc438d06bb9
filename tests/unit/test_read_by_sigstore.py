"""Our checkpoints and proofs, parsed and verified by sigstore's code, which nobody here wrote."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import SignedCheckpoint, verify_checkpoint
from sigstore.errors import VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from evidence.custody.cosignature import Cosigner
from evidence.custody.models import CustodyEvent, LogHead
from evidence.custody.tiles import TileReader
from evidence.storage.memory import MemoryStore
from tests.conftest import SteppingClock
from tests.unit.custody_proofs import SIGNER, ProvenLog

Sessions = sessionmaker[Session]


class Keyring:
    """The log's public key, in the place of sigstore's own collection of them."""

    def __init__(self, verifier_key: str) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(
            base64.b64decode(verifier_key.split("+", 2)[2])[1:]
        )

    def verify(self, *, key_id: bytes, signature: bytes, data: bytes) -> None:
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            raise VerificationError("invalid signature") from None


@pytest.fixture
def log(sessions: Sessions, store: MemoryStore) -> ProvenLog:
    log = ProvenLog(sessions, store)
    log.fill()
    log.sequence()
    return log


def head(log: ProvenLog) -> str:
    with log.sessions() as session:
        return session.scalars(select(LogHead.checkpoint)).one()


def entry(log: ProvenLog, index: int, note: str) -> Any:
    """What sigstore calls an entry of a transparency log."""
    size = SignedCheckpoint.from_text(note).checkpoint.log_size
    reader = TileReader(log.store, size)
    with log.sessions() as session:
        body = session.scalars(
            select(CustodyEvent.entry).where(CustodyEvent.leaf_index == index)
        ).one()
    proof = SimpleNamespace(
        log_index=index,
        tree_size=size,
        hashes=reader.inclusion(index),
        root_hash=reader.root(),
        checkpoint=SimpleNamespace(envelope=note),
    )
    key_id = bytes.fromhex(SIGNER.verifier_key.split("+")[1])
    return SimpleNamespace(
        _inner=SimpleNamespace(
            inclusion_proof=proof,
            canonicalized_body=body,
            log_id=SimpleNamespace(key_id=key_id),
        )
    )


def test_every_leaf_and_its_checkpoint_verify(log: ProvenLog) -> None:
    note, keyring = head(log), Keyring(SIGNER.verifier_key)
    size = SignedCheckpoint.from_text(note).checkpoint.log_size
    assert size > 256
    for index in (0, 1, 2, 254, 255, 256, size - 2, size - 1):
        found = entry(log, index, note)
        verify_merkle_inclusion(found)
        verify_checkpoint(keyring, found)  # type: ignore[arg-type]


def test_what_was_changed_does_not(log: ProvenLog) -> None:
    note, keyring = head(log), Keyring(SIGNER.verifier_key)
    found = entry(log, 5, note)
    found._inner.canonicalized_body = bytes(32)
    with pytest.raises(VerificationError):
        verify_merkle_inclusion(found)
    lines = note.split("\n")
    other = "\n".join([lines[0], str(int(lines[1]) + 1), *lines[2:]])
    spoilt = entry(log, 5, note)
    spoilt._inner.inclusion_proof.checkpoint.envelope = other
    with pytest.raises(VerificationError):
        verify_checkpoint(keyring, spoilt)  # type: ignore[arg-type]


def test_a_witness_beside_the_log_does_not_disturb(log: ProvenLog, clock: SteppingClock) -> None:
    note = head(log)
    text = note.rpartition("\n\n")[0] + "\n"
    cosigned = note + Cosigner("witness.example", bytes(32)).cosign(text, clock.now)
    assert len(SignedCheckpoint.from_text(cosigned).signed_note.signatures) == 2
    verify_checkpoint(Keyring(SIGNER.verifier_key), entry(log, 5, cosigned))  # type: ignore[arg-type]
