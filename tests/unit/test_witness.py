"""A witness: every answer of the protocol, and the attack that it is there for."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from evidence.custody import merkle
from evidence.custody.checkpoint import Checkpoint
from evidence.custody.cosignature import Cosigner, verify_cosignature
from evidence.custody.note import Signer
from evidence.custody.tiles import TileReader, grow
from evidence.custody.witness import AddCheckpoint, Witness, trusted_logs
from evidence.errors import (
    CheckpointConflict,
    CustodyError,
    EvidenceError,
    LogUnknown,
    NoteMalformed,
    ProofBroken,
    SignatureInvalid,
    StorageUnavailable,
)
from evidence.storage.memory import MemoryStore
from tests.conftest import SteppingClock

LOG = Signer("evidence.example/log", bytes(range(32)))
COSIGNER = Cosigner("witness.example", bytes(32))


class GrowingLog:
    """A log of numbered entries; another `word` is another history."""

    def __init__(self, word: str = "entry", signer: Signer = LOG) -> None:
        self.store, self.word, self.signer = MemoryStore(), word, signer
        self.size = 0

    def grow(self, count: int) -> str:
        entries = [
            hashlib.sha256(f"{self.word} {n}".encode()).digest()
            for n in range(self.size, self.size + count)
        ]
        added, _ = grow(self.store, self.size, entries)
        for path, content in added.items():
            self.store.put_tile(path, content)
        self.size += count
        return self.note()

    def note(self) -> str:
        root = TileReader(self.store, self.size).root()
        text = Checkpoint(origin=self.signer.name, size=self.size, root=root).text()
        return self.signer.sign(text)

    def request(self, old: int) -> str:
        path = TileReader(self.store, self.size).consistency(old) if old else []
        if old == self.size:
            path = []
        return str(AddCheckpoint(old=old, path=path, note=self.note()))


@pytest.fixture
def witness(tmp_path: Path, clock: SteppingClock) -> Witness:
    return Witness(tmp_path, COSIGNER, trusted_logs([LOG.verifier_key]))


def witnessed(witness: Witness, size: int = 300) -> GrowingLog:
    log = GrowingLog()
    log.grow(size)
    witness.add_checkpoint(log.request(0))
    return log


def test_it_cosigns_the_first_checkpoint_and_each_that_continues_it(
    witness: Witness, clock: SteppingClock
) -> None:
    log, old = GrowingLog(), 0
    for more in (1, 6, 249, 1, 700, 0):
        note = log.grow(more) if more else log.note()
        clock.step(seconds=10)
        line = witness.add_checkpoint(log.request(old))
        assert verify_cosignature(note + line, witness.verifier_key) == clock.now
        old = log.size


def test_the_cosignature_is_as_the_specification_writes_it(
    witness: Witness, clock: SteppingClock
) -> None:
    """Taken apart by hand: key id, time, and the message that is signed."""
    log = GrowingLog()
    text = log.grow(3).rpartition("\n\n")[0] + "\n"
    dash, name, encoded = witness.add_checkpoint(log.request(0)).rstrip("\n").split(" ")
    raw, vkey = base64.b64decode(encoded), witness.verifier_key
    public = base64.b64decode(vkey.split("+", 2)[2])
    assert (dash, name, public[:1]) == ("—", "witness.example", b"\x04")
    assert raw[:4] == hashlib.sha256(b"witness.example\n" + public).digest()[:4]
    (seconds,) = struct.unpack(">Q", raw[4:12])
    assert seconds == int(clock.now.timestamp())
    message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(raw[12:], message)


def test_a_log_that_forks_is_refused(witness: Witness) -> None:
    """The attack: whoever holds database and key signs another history from entry 0 on."""
    witnessed(witness, 300)
    forged = GrowingLog("another")
    forged.grow(300)
    with pytest.raises(CheckpointConflict) as same_size:
        witness.add_checkpoint(forged.request(300))
    assert same_size.value.facts["size"] == 300
    forged.grow(200)
    with pytest.raises(ProofBroken):
        witness.add_checkpoint(forged.request(300))
    # Nor does it help to begin at nothing, or to say that less was seen.
    for old in (0, 100):
        with pytest.raises(CheckpointConflict):
            witness.add_checkpoint(forged.request(old))


def test_a_log_that_was_cut_off_is_refused(witness: Witness) -> None:
    witnessed(witness, 300)
    shorter = GrowingLog()
    shorter.grow(299)
    with pytest.raises(CheckpointConflict) as refused:
        witness.add_checkpoint(shorter.request(299))
    assert refused.value.facts["size"] == 300


def test_what_it_has_seen_survives_it(witness: Witness, tmp_path: Path) -> None:
    log = witnessed(witness, 300)
    again = Witness(tmp_path, COSIGNER, trusted_logs([LOG.verifier_key]))
    with pytest.raises(CheckpointConflict):
        again.add_checkpoint(log.request(0))
    assert again.add_checkpoint(log.request(300))


def test_a_damaged_memory_is_not_taken_for_none(witness: Witness, tmp_path: Path) -> None:
    log = witnessed(witness)
    kept = next(tmp_path.glob("*.checkpoint"))
    for content in (b"", kept.read_bytes()[:40], b"\xff"):
        kept.write_bytes(content)
        with pytest.raises(StorageUnavailable):
            witness.add_checkpoint(log.request(0))


def test_nothing_is_cosigned_that_could_not_be_kept(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = witnessed(witness, 5)
    log.grow(5)

    def refuse(*_: object) -> None:
        raise StorageUnavailable

    monkeypatch.setattr("evidence.custody.witness.replace_file", refuse)
    with pytest.raises(StorageUnavailable):
        witness.add_checkpoint(log.request(5))
    monkeypatch.undo()
    kept = witness.kept(LOG.name)
    assert kept is not None
    assert kept.size == 5
    assert witness.add_checkpoint(log.request(5))


def test_of_two_histories_at_once_one_is_cosigned(witness: Witness) -> None:
    one, two = GrowingLog("one"), GrowingLog("two")
    one.grow(9)
    two.grow(9)
    answers: list[str] = []
    refusals: list[EvidenceError] = []

    def ask(log: GrowingLog) -> None:
        try:
            answers.append(witness.add_checkpoint(log.request(0)))
        except EvidenceError as error:
            refusals.append(error)

    threads = [threading.Thread(target=ask, args=(log,)) for log in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(answers), len(refusals)) == (1, 1)


def _without_log_signature(log: GrowingLog) -> str:
    stranger = Signer(LOG.name, bytes(32))
    return str(
        AddCheckpoint(old=0, path=[], note=stranger.sign(log.note().split("\n\n")[0] + "\n"))
    )


def _with_spoilt_signature(log: GrowingLog) -> str:
    body = log.request(0)
    head, _, encoded = body.rstrip("\n").rpartition(" ")
    raw = bytearray(base64.b64decode(encoded))
    raw[-1] ^= 1
    return f"{head} {base64.b64encode(raw).decode()}\n"


def _longer_proof(log: GrowingLog) -> str:
    return log.request(0).replace("old 0\n", "old 0\n" + ("A" * 43 + "=\n") * 64)


@pytest.mark.parametrize(
    ("request_of", "error"),
    [
        (lambda log: "", NoteMalformed),
        (lambda log: "old 0\n", NoteMalformed),
        (lambda log: log.request(0).replace("old 0", "old 00"), NoteMalformed),
        (lambda log: log.request(0).replace("old 0", "old -1"), NoteMalformed),
        (lambda log: log.request(0).replace("old 0", "old"), NoteMalformed),
        (lambda log: log.request(0).replace("old 0", f"old {log.size + 1}"), NoteMalformed),
        (lambda log: log.request(0).replace("old 0", "old 0\n!!!!"), NoteMalformed),
        (lambda log: log.request(0).replace("old 0", "old 0\nAAAA"), NoteMalformed),
        (lambda log: log.request(0)[:-3], NoteMalformed),
        (_longer_proof, NoteMalformed),
        (lambda log: GrowingLog(signer=Signer("other.example", bytes(32))).request(0), LogUnknown),
        (_without_log_signature, SignatureInvalid),
        (_with_spoilt_signature, SignatureInvalid),
        (lambda log: log.request(0).replace("old 0", "old 0\n" + "A" * 43 + "="), ProofBroken),
        (lambda log: log.request(3), CheckpointConflict),
    ],
)
def test_what_it_cannot_cosign_is_named(
    witness: Witness, request_of: Callable[[GrowingLog], str], error: type[EvidenceError]
) -> None:
    log = GrowingLog()
    log.grow(7)
    with pytest.raises(error):
        witness.add_checkpoint(request_of(log))
    assert witness.kept(LOG.name) is None


def test_an_empty_log_is_cosigned_too(witness: Witness) -> None:
    text = Checkpoint(origin=LOG.name, size=0, root=merkle.EMPTY_ROOT).text()
    request = str(AddCheckpoint(old=0, path=[], note=LOG.sign(text)))
    assert verify_cosignature(
        LOG.sign(text) + witness.add_checkpoint(request), COSIGNER.verifier_key
    )


def test_while_a_log_changes_its_key_either_is_enough(tmp_path: Path) -> None:
    both = Signer(LOG.name, bytes(32), bytes(range(32)))
    witness = Witness(tmp_path, COSIGNER, trusted_logs([LOG.verifier_key]))
    log = GrowingLog(signer=both)
    log.grow(4)
    assert witness.add_checkpoint(log.request(0))
    told = Witness(tmp_path, COSIGNER, trusted_logs([LOG.verifier_key, both.verifier_key]))
    log.signer = Signer(LOG.name, bytes(32))
    log.grow(4)
    assert told.add_checkpoint(log.request(4))
    with pytest.raises(SignatureInvalid):
        witness.add_checkpoint(log.request(8))


def test_a_cosignature_of_another_text_or_time_does_not_verify(witness: Witness) -> None:
    log = GrowingLog()
    note = log.grow(3)
    line = witness.add_checkpoint(log.request(0))
    raw = bytearray(base64.b64decode(line.rstrip("\n").split(" ")[2]))
    raw[11] ^= 1
    forged = f"— witness.example {base64.b64encode(raw).decode()}\n"
    for spoilt in (note + forged, log.grow(1) + line):
        with pytest.raises(SignatureInvalid):
            verify_cosignature(spoilt, witness.verifier_key)
    with pytest.raises(SignatureInvalid):
        verify_cosignature(note, witness.verifier_key)
    with pytest.raises(NoteMalformed):
        verify_cosignature(note + line, LOG.verifier_key)


def test_a_time_beyond_every_calendar_is_malformed() -> None:
    log = GrowingLog()
    note = log.grow(1)
    key_id = bytes.fromhex(COSIGNER.verifier_key.split("+")[1])
    raw = base64.b64encode(key_id + struct.pack(">Q", 2**63) + bytes(64)).decode()
    with pytest.raises(NoteMalformed):
        verify_cosignature(f"{note}— witness.example {raw}\n", COSIGNER.verifier_key)


def test_a_witness_without_a_log_does_not_start() -> None:
    with pytest.raises(CustodyError):
        trusted_logs([])
    with pytest.raises(NoteMalformed):
        trusted_logs([COSIGNER.verifier_key])


def test_the_later_of_two_cosignatures_counts(witness: Witness, clock: SteppingClock) -> None:
    log = GrowingLog()
    note = log.grow(2)
    first = witness.add_checkpoint(log.request(0))
    clock.step(hours=1)
    second = witness.add_checkpoint(log.request(2))
    assert verify_cosignature(note + first + second, witness.verifier_key) == clock.now
    assert clock.now.tzinfo == dt.UTC
