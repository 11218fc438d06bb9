"""The whole log read again: whatever was changed, anywhere, is found and named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session, sessionmaker

from evidence.custody.auditing import Audit, audit
from evidence.custody.checkpoint import Checkpoint
from evidence.custody.models import LogHead
from evidence.custody.note import Signer
from evidence.errors import SignatureInvalid
from evidence.storage.memory import MemoryStore
from tests.unit.custody_proofs import SIGNER, ProvenLog
from tests.unit.test_custody_reading import overwrite

Sessions = sessionmaker[Session]


@pytest.fixture
def log(sessions: Sessions, store: MemoryStore) -> ProvenLog:
    """Of more than two whole tiles, so that the tree has a second level."""
    log = ProvenLog(sessions, store)
    log.fill()
    log.others(300)
    log.sequence()
    return log


def checkpoint(log: ProvenLog) -> str:
    with log.sessions() as session:
        head = session.get(LogHead, SIGNER.name)
        assert head is not None
        return head.checkpoint


def read(log: ProvenLog, *older: str, note: str = "") -> Audit:
    with log.sessions() as session:
        found = note or checkpoint(log)
        return audit(log.store, found, SIGNER.verifier_keys, older=older, session=session)


def test_an_untouched_log_is_whole_in_every_entry_and_row(log: ProvenLog) -> None:
    found = read(log)
    assert (found.whole, found.rows, found.findings) == (True, found.size, [])
    assert found.size > 2 * 256


def test_without_a_database_the_tiles_alone_are_read(log: ProvenLog) -> None:
    found = audit(log.store, checkpoint(log), SIGNER.verifier_keys)
    assert (found.whole, found.rows) == (True, None)


def test_a_log_that_ends_with_a_full_tile_is_whole(sessions: Sessions, store: MemoryStore) -> None:
    log = ProvenLog(sessions, store)
    log.others(511)  # and log:started
    log.sequence()
    assert read(log).whole
    assert read(log).size == 512


def test_events_that_wait_for_their_checkpoint_are_no_fault(log: ProvenLog) -> None:
    log.others(5)
    assert read(log).whole


_UNTYPED = pytest.mark.one_box("PostgreSQL keeps to a column's type")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE custody_events SET canonical ="
         " CAST(replace(CAST(canonical AS TEXT), 'viewed', 'played') AS BLOB)"
         " WHERE leaf_index = 300",
         "Event 300 was altered"),
        ("UPDATE custody_events SET canonical = 'text' WHERE leaf_index = 300",
         "Event 300 was altered"),
        pytest.param("UPDATE custody_events SET at = 'never' WHERE leaf_index = 300",
                     "Event 300 was altered", marks=_UNTYPED),
        pytest.param("UPDATE custody_events SET subject_id = 'nobody' WHERE leaf_index = 0",
                     "Event 0 was altered", marks=_UNTYPED),
        ("UPDATE custody_events SET leaf_index = -1 WHERE leaf_index = 300", "Event 300 is gone"),
        ("UPDATE custody_events SET at = '2020-01-01 00:00:00.000000' WHERE leaf_index = 7",
         "Event 7 was altered"),
        ("UPDATE custody_events SET actor_id = subject_id WHERE leaf_index = 500",
         "Event 500 was altered"),
        ("UPDATE custody_events SET entry = zeroblob(32) WHERE leaf_index = 9",
         "Event 9 is not the one that was published"),
        ("DELETE FROM custody_events WHERE leaf_index = 200", "Event 200 is gone"),
        ("DELETE FROM custody_events WHERE leaf_index ="
         " (SELECT max(leaf_index) FROM custody_events)", "is gone from the database"),
        ("UPDATE custody_events SET leaf_index = CASE leaf_index WHEN 20 THEN -21 ELSE -20 END"
         " WHERE leaf_index IN (20, 21)", "Event 20 is gone"),
    ],
)  # fmt: skip
def test_a_changed_row_is_named(log: ProvenLog, statement: str, said: str) -> None:
    overwrite(log.sessions, statement)
    found = read(log)
    assert not found.whole
    assert any(said in words for words in found.findings), found.findings


def _flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _entries(log: ProvenLog, change: Callable[[bytes], bytes], index: int = 0) -> str:
    path = f"tile/entries/{index:03d}"
    log.store._tiles[path] = change(log.store._tiles[path])
    return path


@pytest.mark.parametrize("at", [2, 33, 36, 34 * 100 + 5])
def test_a_byte_changed_in_an_entry_is_found(log: ProvenLog, at: int) -> None:
    _entries(log, lambda content: _flip(content, at))
    assert any("contradicts entry" in words for words in read(log).findings)


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001", "tile/0/002.p/", "tile/1/000.p/2"])
@pytest.mark.parametrize("change", [lambda c: _flip(c, 40), lambda c: c[:-1], lambda c: b""])
def test_a_tile_changed_or_cut_is_named(
    log: ProvenLog, path: str, change: Callable[[bytes], bytes]
) -> None:
    # Partial tiles of smaller trees stand there too; the widest is the one that is read.
    found = [p for p in log.store._tiles if p.startswith(path) and path != p]
    widest = path if path in log.store._tiles else max(found, key=lambda p: int(p.split("/")[-1]))
    log.store._tiles[widest] = change(log.store._tiles[widest])
    assert any(widest in words for words in read(log).findings)


def test_entries_that_cannot_be_read_are_named_and_the_rest_is_read(log: ProvenLog) -> None:
    _entries(log, lambda content: content[:-1], 1)
    overwrite(log.sessions, "DELETE FROM custody_events WHERE leaf_index = 520")
    found = read(log)
    assert len(found.findings) == 2
    assert "Event 520 is gone from the database." in found.findings


def test_a_checkpoint_that_was_kept_is_found_in_the_log(log: ProvenLog) -> None:
    kept = checkpoint(log)
    log.others(400)
    log.sequence()
    found = read(log, kept, checkpoint(log))
    assert (found.whole, found.older) == (True, 2)


def test_a_log_that_was_rewritten_or_cut_is_not_the_one_of_the_kept_checkpoint(
    log: ProvenLog,
) -> None:
    other = SIGNER.sign(Checkpoint(origin=SIGNER.name, size=100, root=b"\1" * 32).text())
    longer = SIGNER.sign(Checkpoint(origin=SIGNER.name, size=10**6, root=b"\1" * 32).text())
    strange = Signer(SIGNER.name, b"\7" * 32).sign(
        Checkpoint(origin=SIGNER.name, size=100, root=b"\1" * 32).text()
    )
    found = read(log, other, longer, strange)
    assert found.older == 0
    assert ["rewritten" in found.findings[0], "shorter" in found.findings[1]] == [True, True]
    assert "not this log's" in found.findings[2]


def test_a_head_that_somebody_else_signed_is_not_audited_at_all(log: ProvenLog) -> None:
    forged = Signer(SIGNER.name, b"\7" * 32).sign(
        Checkpoint(origin=SIGNER.name, size=1, root=b"\1" * 32).text()
    )
    with pytest.raises(SignatureInvalid):
        read(log, note=forged)


def test_a_root_that_the_key_signed_over_other_tiles_is_found(log: ProvenLog) -> None:
    size = read(log).size
    forked = SIGNER.sign(Checkpoint(origin=SIGNER.name, size=size, root=b"\1" * 32).text())
    assert read(log, note=forked).findings == ["The tiles do not lead to the signed root."]
