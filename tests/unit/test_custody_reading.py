"""Reading and proving: what an administrator changes in the database is seen."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from evidence.custody.exhibit_proof import make_proof
from evidence.custody.models import CustodyEvent, LogHead
from evidence.custody.note import Signer
from evidence.custody.proof import LogProof
from evidence.custody.reading import LogVerdict, RecordedEvent, events_of, verify_log
from evidence.errors import LogNotReady, ProofBroken
from evidence.storage.memory import MemoryStore
from tests import databases
from tests.unit.custody_proofs import SIGNER, ProvenLog, segments_of

Sessions = sessionmaker[Session]


@pytest.fixture
def log(sessions: Sessions, store: MemoryStore) -> ProvenLog:
    log = ProvenLog(sessions, store)
    log.fill()
    return log


def overwrite(sessions: Sessions, statement: str) -> None:
    """As a database administrator would: without the triggers."""
    with sessions() as session:
        connection = session.connection()
        databases.drop_guards(connection)
        connection.exec_driver_sql(databases.spoken(statement))
        session.commit()


def read(log: ProvenLog) -> list[RecordedEvent]:
    with log.sessions() as session:
        return events_of(session, [log.exhibit_id])


def verdict(log: ProvenLog, limit: int = 10_000) -> LogVerdict:
    with log.sessions() as session:
        return verify_log(session, log.store, SIGNER.verifier_key, limit)


def test_events_are_pending_until_they_are_sequenced(log: ProvenLog) -> None:
    assert [e.state for e in read(log)] == ["sequenced", "sequenced", "pending", "pending"]
    log.sequence()
    events = read(log)
    assert {e.state for e in events} == {"sequenced"}
    assert [e.kind for e in events] == [
        "exhibit:acquired",
        "exhibit:sealed",
        "exhibit:viewed",
        "exhibit:proved",
    ]
    assert events[1].details["sha256"] == log.sha256


@pytest.mark.parametrize(
    "change",
    [
        "kind = 'exhibit:linked'",
        "at = '2020-01-01 00:00:00.000000'",
        "actor_type = 'officer'",
        "actor_id = '6f1c1b1e8a554d2c9d0f2f6f4d9a0b11'",
        "via = 'api'",
        "subject_type = 'case'",
        "id = '6f1c1b1e8a554d2c9d0f2f6f4d9a0b11'",
        "entry = zeroblob(32)",
        "canonical = x'00'",
        "canonical = CAST('[]' AS BLOB)",
        "canonical = CAST(replace(CAST(canonical AS TEXT), 'job', 'api') AS BLOB)",
    ],
)
def test_an_event_changed_in_the_database_is_shown_as_altered(log: ProvenLog, change: str) -> None:
    log.sequence()
    position = read(log)[2].position
    overwrite(log.sessions, f"UPDATE custody_events SET {change} WHERE position = {position}")
    assert [e.state for e in read(log)] == ["sequenced", "sequenced", "altered", "sequenced"]
    found = verdict(log)
    assert not found.intact
    assert found.broken_at == read(log)[2].leaf_index


@pytest.mark.one_box("PostgreSQL keeps to a column's type")
def test_a_text_where_the_bytes_belong_is_shown_as_altered(log: ProvenLog) -> None:
    overwrite(log.sessions, "UPDATE custody_events SET canonical = CAST(canonical AS TEXT)")
    assert {e.state for e in read(log)} == {"altered"}


def test_an_untouched_log_is_intact(log: ProvenLog) -> None:
    log.sequence()
    found = verdict(log)
    assert found.intact
    assert (found.size, found.checked, found.first) == (278, 278, 0)


def test_a_bounded_verification_says_where_it_began(log: ProvenLog) -> None:
    log.sequence()
    found = verdict(log, limit=10)
    assert found.intact
    assert (found.first, found.checked) == (256, 22)


def test_an_empty_log_is_not_called_intact(sessions: Sessions, store: MemoryStore) -> None:
    with sessions() as session:
        assert not verify_log(session, store, SIGNER.verifier_key).intact


def test_an_event_that_was_removed_is_missed(log: ProvenLog) -> None:
    log.sequence()
    overwrite(log.sessions, "DELETE FROM custody_events WHERE leaf_index = 100")
    assert verdict(log).broken_at == 100
    overwrite(log.sessions, "DELETE FROM custody_events WHERE leaf_index >= 90")
    assert verdict(log).broken_at == 90


def test_an_event_rewritten_with_its_entry_does_not_match_the_tree(log: ProvenLog) -> None:
    log.sequence()
    overwrite(
        log.sessions,
        "UPDATE custody_events SET (canonical, entry) = (SELECT canonical, entry FROM"
        " custody_events WHERE leaf_index = 8) WHERE leaf_index = 7",
    )
    assert verdict(log).broken_at == 7


@pytest.mark.parametrize("path", ["tile/0/000", "tile/entries/000", "tile/1/000.p/1"])
def test_a_tile_changed_or_lost_in_the_store_is_found(log: ProvenLog, path: str) -> None:
    log.sequence()
    kept = log.store._tiles[path]
    log.store._tiles[path] = kept[:-1] + bytes([kept[-1] ^ 1])
    assert not verdict(log).intact
    del log.store._tiles[path]
    assert not verdict(log).intact
    log.store._tiles[path] = kept
    assert verdict(log).intact


@pytest.mark.parametrize("change", ["size = size - 1", "root = zeroblob(32)", "checkpoint = 'x'"])
def test_a_head_changed_in_the_database_is_found(log: ProvenLog, change: str) -> None:
    log.sequence()
    overwrite(log.sessions, f"UPDATE log_heads SET {change}")
    assert not verdict(log).intact


def test_a_head_signed_with_another_key_is_found(log: ProvenLog) -> None:
    log.sequence()
    with log.sessions() as session:
        head = session.scalars(select(LogHead)).one()
        text = head.checkpoint.partition("\n\n")[0] + "\n"
        head.checkpoint = Signer(SIGNER.name, bytes(32)).sign(text)
        session.commit()
    assert not verdict(log).intact


def test_a_proof_waits_for_the_signed_checkpoint(log: ProvenLog) -> None:
    proved = log.prove()
    with pytest.raises(LogNotReady):
        log.proof(proved)
    log.sequence()
    proof = log.proof(proved)
    assert len(proof["events"]) == 5
    assert {LogProof.parse(e["proof"]).checkpoint for e in proof["events"]} == {proof["checkpoint"]}


def test_a_proof_that_would_not_verify_is_never_handed_out(log: ProvenLog) -> None:
    proved = log.prove()
    log.sequence()
    position = read(log)[2].position
    overwrite(
        log.sessions,
        "UPDATE custody_events SET canonical = CAST(replace(CAST(canonical AS TEXT), 'job', 'api')"
        f" AS BLOB) WHERE position = {position}",
    )
    with pytest.raises(ProofBroken):
        log.proof(proved)


def test_a_proof_that_lacks_an_event_is_never_handed_out(log: ProvenLog) -> None:
    proved = log.prove()
    log.sequence()
    position = read(log)[2].position
    overwrite(log.sessions, f"DELETE FROM custody_events WHERE position = {position}")
    with pytest.raises(ProofBroken):
        log.proof(proved)


def test_a_proof_does_not_hold_what_came_after_it(log: ProvenLog) -> None:
    first, second = log.prove(), log.prove()
    log.sequence()
    assert len(log.proof(first)["events"]) == 5
    assert len(log.proof(second)["events"]) == 6


def test_no_log_no_proof(sessions: Sessions, store: MemoryStore) -> None:
    exhibit = {"id": uuid4(), "label": "", "filename": "", "size": 0, "sha256": "0" * 64}
    event = CustodyEvent(subject_id=uuid4(), subject_type="exhibit", position=1)
    with sessions() as session, pytest.raises(LogNotReady):
        make_proof(
            session,
            store,
            verifier_key=SIGNER.verifier_key,
            exhibit=exhibit,
            segments=segments_of(b""),
            up_to=event,
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nnote",
        "c2sp.org/tlog-proof@v1\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 00\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex -1\n\nnote",
        "c2sp.org/tlog-proof@v1\nextra !\nindex 0\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 0\n",
    ],
)
def test_what_is_not_a_log_proof_is_named_so(text: str) -> None:
    with pytest.raises(ProofBroken):
        LogProof.parse(text)


def test_a_log_proof_reads_back_with_its_extra(log: ProvenLog) -> None:
    proof = LogProof(index=3, path=[bytes(32)], checkpoint="note\n", extra=b"more")
    assert LogProof.parse(str(proof)) == proof
