"""The sequencer: every crash is finished by the same code, and no two heads contradict."""

from __future__ import annotations

from typing import Literal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from evidence.custody import merkle
from evidence.custody.append import append
from evidence.custody.checkpoint import verify_checkpoint
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent, LogHead
from evidence.custody.note import Signer
from evidence.custody.sequencer import BATCH, Sequencer
from evidence.custody.tiles import TileReader
from evidence.errors import LogForked, SignatureInvalid, StorageUnavailable
from evidence.people.actor import SYSTEM
from evidence.sqlite import begin_write
from evidence.storage.memory import MemoryStore
from tests import databases
from tests.conftest import SteppingClock

Sessions = sessionmaker[Session]
SIGNER = Signer("evidence.example/log", bytes(range(32)))


@pytest.fixture
def sequencer(sessions: Sessions, store: MemoryStore, clock: SteppingClock) -> Sequencer:
    return Sequencer(sessions, store, SIGNER, "one")


def add(sessions: Sessions, count: int) -> None:
    with sessions() as session:
        begin_write(session)
        for _ in range(count):
            append(session, Kind.EXHIBIT_VIEWED, uuid4(), SYSTEM)
        session.commit()


def drain(sequencer: Sequencer) -> int:
    total = 0
    while done := sequencer.run_once():
        total += done
    return total


def head(sessions: Sessions) -> LogHead:
    with sessions() as session:
        return session.scalars(select(LogHead)).one()


def require_whole(sessions: Sessions, store: MemoryStore) -> None:
    """Events, tiles, bundles and signed head say the same."""
    kept = head(sessions)
    checkpoint = verify_checkpoint(kept.checkpoint, SIGNER.verifier_key)
    assert (checkpoint.size, checkpoint.root) == (kept.size, kept.root)
    with sessions() as session:
        rows = session.execute(
            select(CustodyEvent.leaf_index, CustodyEvent.entry).order_by(CustodyEvent.leaf_index)
        ).all()
    assert [index for index, _ in rows] == list(range(kept.size))
    assert merkle.root_of([merkle.leaf_hash(entry) for _, entry in rows]) == kept.root
    reader = TileReader(store, kept.size)
    assert reader.root() == kept.root
    published = [e for n in range((kept.size + 255) // 256) for e in reader.entries(n)]
    assert published == [entry for _, entry in rows]


def test_an_empty_log_begins_with_the_event_that_opens_it(
    sequencer: Sequencer, sessions: Sessions, store: MemoryStore
) -> None:
    assert drain(sequencer) == 1
    assert sequencer.run_once() == 0
    with sessions() as session:
        assert session.scalars(select(CustodyEvent.kind)).all() == ["log:started"]
    require_whole(sessions, store)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (254, 1, 1), (255, 257), (700, 3), (BATCH + 5,)])
def test_batches_of_any_size_make_one_tree(
    sequencer: Sequencer, sessions: Sessions, store: MemoryStore, sizes: tuple[int, ...]
) -> None:
    heads = []
    for size in sizes:
        add(sessions, size)
        drain(sequencer)
        heads.append(head(sessions))
    require_whole(sessions, store)
    newest = heads[-1]
    reader = TileReader(store, newest.size)
    for older in heads[:-1]:
        merkle.verify_consistency(
            older.size, newest.size, older.root, newest.root, reader.consistency(older.size)
        )


@pytest.mark.parametrize("fault", ["lost", "done but not reported"])
def test_tiles_that_fail_are_put_again_and_the_same_batch_is_finished(
    sequencer: Sequencer,
    sessions: Sessions,
    store: MemoryStore,
    fault: Literal["lost", "done but not reported"],
) -> None:
    drain(sequencer)
    before = head(sessions)
    add(sessions, 300)
    store.faults["tile"] = fault
    with pytest.raises(StorageUnavailable):
        sequencer.run_once()
    assert head(sessions).checkpoint == before.checkpoint
    add(sessions, 7)
    store.faults.clear()
    restarted = Sequencer(sessions, store, SIGNER, "one")
    assert restarted.run_once() == 300
    assert drain(restarted) == 7
    require_whole(sessions, store)


class _Crash(Exception):
    """The process ends here."""


class _CrashingSessions:
    """Sessions whose commit number `at` ends the process, before or after it is done."""

    def __init__(self, sessions: Sessions, at: int, *, done: bool) -> None:
        self._sessions, self._left, self._done = sessions, at, done

    def __call__(self) -> Session:
        session = self._sessions()
        commit = session.commit

        def crashing() -> None:
            self._left -= 1
            if self._left:
                commit()
                return
            if self._done:
                commit()
            raise _Crash

        session.commit = crashing  # type: ignore[method-assign]
        return session


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_crash_at_any_commit_is_finished_by_starting_again(
    sessions: Sessions, store: MemoryStore, clock: SteppingClock, at: int, done: bool
) -> None:
    add(sessions, 300)
    crashing = Sequencer(_CrashingSessions(sessions, at, done=done), store, SIGNER, "one")
    with pytest.raises(_Crash):
        drain(crashing)
    clock.step(seconds=11)
    assert drain(Sequencer(sessions, store, SIGNER, "two")) in {0, 301}
    require_whole(sessions, store)
    assert head(sessions).size == 301


def test_only_the_holder_of_the_lease_sequences(
    sequencer: Sequencer, sessions: Sessions, store: MemoryStore, clock: SteppingClock
) -> None:
    other = Sequencer(sessions, store, SIGNER, "two")
    drain(sequencer)
    add(sessions, 3)
    assert other.run_once() == 0
    clock.step(seconds=11)
    assert other.run_once() == 3
    add(sessions, 2)
    assert sequencer.run_once() == 0
    other.release()
    assert sequencer.run_once() == 2
    require_whole(sessions, store)


class _Late(MemoryStore):
    """Lets another sequencer finish while a tile is being put."""

    meanwhile: Sequencer | None = None
    clock: SteppingClock

    def put_tile(self, path: str, content: bytes) -> None:
        other, self.meanwhile = self.meanwhile, None
        if other is not None:
            self.clock.step(seconds=11)
            assert other.run_once() == 5
        super().put_tile(path, content)


def test_a_holder_that_was_overtaken_signs_nothing(
    sessions: Sessions, clock: SteppingClock
) -> None:
    store = _Late()
    store.clock = clock
    slow, quick = (
        Sequencer(sessions, store, SIGNER, "slow"),
        Sequencer(sessions, store, SIGNER, "q"),
    )
    drain(slow)
    add(sessions, 5)
    store.meanwhile = quick
    assert slow.run_once() == 0
    assert head(sessions).size == 6
    require_whole(sessions, store)


def test_a_clock_that_goes_back_is_logged_once_and_the_greater_time_is_kept(
    sequencer: Sequencer, sessions: Sessions, store: MemoryStore, clock: SteppingClock
) -> None:
    drain(sequencer)
    signed_at = head(sessions).signed_at
    clock.step(hours=-1)
    for _ in range(3):
        add(sessions, 1)
        drain(sequencer)
        clock.step(seconds=11)
    drain(Sequencer(sessions, store, SIGNER, "another"))
    assert head(sessions).signed_at == signed_at
    with sessions() as session:
        kinds = session.scalars(select(CustodyEvent.kind)).all()
    assert kinds.count("log:clock_went_back") == 1
    require_whole(sessions, store)


@pytest.mark.parametrize("path", ["tile/0/000.p/4", "tile/entries/000.p/4"])
def test_tiles_changed_in_the_store_stop_the_log(
    sequencer: Sequencer, sessions: Sessions, store: MemoryStore, path: str
) -> None:
    add(sessions, 3)
    drain(sequencer)
    before = head(sessions).checkpoint
    content = bytearray(store._tiles[path])
    content[-1] ^= 1
    store._tiles[path] = bytes(content)
    add(sessions, 1)
    with pytest.raises(LogForked):
        sequencer.run_once()
    assert head(sessions).checkpoint == before


def test_a_head_set_back_by_the_database_administrator_signs_no_other_history(
    sequencer: Sequencer, sessions: Sessions, store: MemoryStore
) -> None:
    drain(sequencer)
    old = head(sessions)
    add(sessions, 4)
    drain(sequencer)
    with sessions() as session:
        session.execute(
            update(LogHead).values(size=old.size, root=old.root, checkpoint=old.checkpoint)
        )
        session.commit()
    # The indices are in the events, once and for all: the same batch gives the same head.
    assert sequencer.run_once() == 4
    require_whole(sessions, store)


def test_events_cut_off_behind_the_signed_head_stop_the_log(
    sequencer: Sequencer, sessions: Sessions
) -> None:
    add(sessions, 4)
    drain(sequencer)
    with sessions() as session:
        databases.drop_guards(session.connection())
        session.connection().exec_driver_sql("DELETE FROM custody_events WHERE leaf_index = 4")
        session.commit()
    add(sessions, 1)
    with pytest.raises(LogForked):
        sequencer.run_once()


def test_another_key_or_another_origin_does_not_go_on_with_the_log(
    sequencer: Sequencer, sessions: Sessions, store: MemoryStore
) -> None:
    drain(sequencer)
    with pytest.raises(SignatureInvalid):
        Sequencer(sessions, store, Signer(SIGNER.name, bytes(32)), "one").run_once()
    with pytest.raises(LogForked):
        Sequencer(sessions, store, Signer("another.example/log", bytes(32)), "one").run_once()


def test_the_log_is_its_own_subject(sequencer: Sequencer, sessions: Sessions) -> None:
    drain(sequencer)
    with sessions() as session:
        started = session.scalars(select(CustodyEvent)).one()
    assert (started.subject_type, started.subject_id) == ("log", UUID(int=0))
