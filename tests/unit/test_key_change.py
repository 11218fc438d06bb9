"""Changing the log's key: both sign for a while, and a lost key has a way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from evidence.custody import keys
from evidence.custody.auditing import audit
from evidence.custody.checkpoint import verify_checkpoint
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent, LogHead
from evidence.custody.note import Signer
from evidence.custody.sequencer import Sequencer
from evidence.errors import CustodyError, SignatureInvalid
from evidence.storage.memory import MemoryStore
from tests.unit.custody_proofs import ProvenLog

Sessions = sessionmaker[Session]
NAME = "evidence.example/log"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The key that ProvenLog signs with."""
    path = tmp_path / "keys" / "log.key"
    path.parent.mkdir()
    path.write_bytes(keys.KeyFile(name=NAME, seed=bytes(range(32))).content())
    return path


@pytest.fixture
def log(sessions: Sessions, store: MemoryStore) -> ProvenLog:
    log = ProvenLog(sessions, store)
    log.fill()
    log.sequence()
    return log


def carry_on(log: ProvenLog, path: Path) -> str:
    """What a start of the worker does with the key file; the head's note."""
    key = keys.read_key(path, NAME)
    log.sequencer.release()
    log.sequencer = Sequencer(
        log.sessions, log.store, keys.signer_of(key), "another start", key.lost
    )
    log.sequence()
    with log.sessions() as session:
        return session.scalars(select(LogHead.checkpoint)).one()


def changes(log: ProvenLog) -> list[dict[str, object]]:
    with log.sessions() as session:
        rows = session.scalars(
            select(CustodyEvent.canonical)
            .where(CustodyEvent.kind == Kind.LOG_KEYS_CHANGED.value)
            .order_by(CustodyEvent.position)
        ).all()
    return [json.loads(row)["details"] for row in rows]


def test_while_it_is_changed_either_key_is_enough_and_then_the_new_one_alone(
    log: ProvenLog, key_file: Path
) -> None:
    old = log.sequencer._signer.verifier_key
    new = keys.begin_change(key_file, NAME).verifier_key
    assert new != old
    both = carry_on(log, key_file)
    assert verify_checkpoint(both, old) == verify_checkpoint(both, new)
    keys.finish_change(key_file, NAME)
    alone = carry_on(log, key_file)
    assert verify_checkpoint(alone, new).size > verify_checkpoint(both, new).size
    with pytest.raises(SignatureInvalid):
        verify_checkpoint(alone, old)
    assert changes(log) == [
        {"verifier_keys": [new, old], "lost": False},
        {"verifier_keys": [new], "lost": False},
    ]
    # A checkpoint of the old key alone is still a head of this tree.
    with log.sessions() as session:
        found = audit(log.store, alone, [new, old], older=[both], session=session)
    assert (found.whole, found.older) == (True, 1)


def test_starting_again_with_the_same_keys_is_no_change(log: ProvenLog, key_file: Path) -> None:
    keys.begin_change(key_file, NAME)
    carry_on(log, key_file)
    carry_on(log, key_file)
    assert len(changes(log)) == 1


def test_a_receipt_of_the_change_satisfies_both_docks() -> None:
    from evidence.custody.note import verify_note

    before, both = Signer(NAME, bytes(32)), Signer(NAME, bytes(range(32)), bytes(32))
    note = both.sign("text\n")
    for key in (before.verifier_key, both.verifier_key):
        assert verify_note(note, [key]) == "text\n"


def test_a_change_is_begun_once_and_finished_once(key_file: Path) -> None:
    with pytest.raises(CustodyError):
        keys.finish_change(key_file, NAME)
    keys.begin_change(key_file, NAME)
    with pytest.raises(CustodyError):
        keys.begin_change(key_file, NAME)
    assert key_file.stat().st_mode & 0o777 == 0o600


def test_a_key_made_anew_by_accident_signs_nothing(log: ProvenLog, key_file: Path) -> None:
    key_file.unlink()
    keys.load_or_create(key_file, NAME)
    with pytest.raises(SignatureInvalid):
        carry_on(log, key_file)


def test_a_lost_key_is_replaced_by_its_public_half(log: ProvenLog, key_file: Path) -> None:
    old = log.sequencer._signer.verifier_key
    with pytest.raises(CustodyError):
        keys.replace_lost(key_file, NAME, old)
    key_file.unlink()
    new = keys.replace_lost(key_file, NAME, old).verifier_key
    note = carry_on(log, key_file)
    assert verify_checkpoint(note, new)
    assert changes(log) == [{"verifier_keys": [new], "lost": True}]
    carry_on(log, key_file)
    assert len(changes(log)) == 1


def test_another_lost_key_than_the_heads_carries_nothing_on(log: ProvenLog, key_file: Path) -> None:
    key_file.unlink()
    keys.replace_lost(key_file, NAME, Signer(NAME, bytes(32)).verifier_key)
    with pytest.raises(SignatureInvalid):
        carry_on(log, key_file)
