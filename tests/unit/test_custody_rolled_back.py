"""An older database beside the store of a longer log: nothing is signed."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.models import LogHead
from evidence.custody.note import Signer
from evidence.custody.sequencer import Sequencer
from evidence.custody.tiles import reaches_beyond
from evidence.errors import LogForked
from evidence.people.actor import SYSTEM
from evidence.storage.memory import MemoryStore
from tests import databases
from tests.conftest import SteppingClock

SIGNER = Signer("zhenglian.test/log", b"\1" * 32)


def _sequencer(sessions: sessionmaker[Session], store: MemoryStore) -> Sequencer:
    return Sequencer(sessions, store, SIGNER, "here")


def _log(sessions: sessionmaker[Session], store: MemoryStore, count: int) -> int:
    """Append and sequence so many events; the size of the signed log."""
    with sessions() as session:
        for _ in range(count):
            append(session, Kind.EXHIBIT_VIEWED, uuid4(), SYSTEM)
        session.commit()
    sequencer = _sequencer(sessions, store)
    while sequencer.run_once():
        pass
    with sessions() as session:
        return session.get_one(LogHead, SIGNER.name).size


@pytest.mark.parametrize(("kept", "lost", "anew"), [(3, 1, 7), (3, 300, 2), (254, 1, 300)])
def test_an_older_database_is_not_gone_on_from(
    engine: Engine,
    sessions: sessionmaker[Session],
    store: MemoryStore,
    tmp_path: Path,
    clock: SteppingClock,
    kept: int,
    lost: int,
    anew: int,
) -> None:
    size = _log(sessions, store, kept)
    databases.snapshot(engine, tmp_path / "evidence.db", tmp_path / "older.db")
    assert _log(sessions, store, lost) == size + lost
    behind = databases.open_database(tmp_path / "older.db")
    older = sessionmaker(behind, expire_on_commit=False)
    with pytest.raises(LogForked, match="longer log"):
        _log(older, store, anew)
    with older() as session:
        assert session.get_one(LogHead, SIGNER.name).size == size
    behind.dispose()


def test_tiles_that_a_crash_left_before_their_head_are_no_longer_log(store: MemoryStore) -> None:
    assert not reaches_beyond(store, 0)
    store.put_tile("tile/0/000.p/3", b"\0" * 96)
    assert [reaches_beyond(store, size) for size in (0, 2, 3, 256)] == [True, True, False, False]
