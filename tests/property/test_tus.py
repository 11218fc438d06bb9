"""However a recording is cut up, interrupted and sent again: the same digest, the right offset."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from evidence.errors import OffsetMismatch
from evidence.storage import buffers, staging
from evidence.storage.filesystem import FilesystemStore
from evidence.storage.journal import RECORD_BYTES
from tests.contracts.stores import sha256

SMALL_SEGMENT = 64


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Segments of 64 bytes, so that a short example crosses many."""
    monkeypatch.setattr(staging, "SEGMENT_BYTES", SMALL_SEGMENT)
    monkeypatch.setattr(buffers, "SEGMENT_BYTES", SMALL_SEGMENT)
    monkeypatch.setattr(staging, "BUFFERS", buffers.Buffers(2))
    return


def patch(store: FilesystemStore, upload_id: UUID, at: int, pieces: list[bytes]) -> int:
    """What a PATCH does: refuse another offset, take the body, commit."""
    with store.writer(upload_id) as writer:
        if writer.offset != at:
            raise OffsetMismatch()
        for piece in pieces:
            writer.write(piece)
        return writer.commit()


class Resuming(RuleBasedStateMachine):
    """A client that only knows HEAD and PATCH, against a disk on which anything may end."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.store = FilesystemStore(Path(self._folder.name))
        self.upload_id = uuid4()
        self.acknowledged = 0

    def teardown(self) -> None:
        self._folder.cleanup()

    @initialize(content=st.binary(min_size=0, max_size=1000), known=st.booleans())
    def begin(self, content: bytes, known: bool) -> None:
        self.content = content
        self.store.create(self.upload_id, len(content) if known else None)

    def rest(self) -> bytes:
        return self.content[self.store.offset(self.upload_id) :]

    @rule(length=st.integers(0, 300), step=st.integers(1, 90))
    def send_some(self, length: int, step: int) -> None:
        body = self.rest()[:length]
        pieces = [body[at : at + step] for at in range(0, len(body), step)]
        at = self.store.offset(self.upload_id)
        self.acknowledged = patch(self.store, self.upload_id, at, pieces)
        assert self.acknowledged == at + len(body)

    @rule(length=st.integers(0, 300))
    def be_cut_off(self, length: int) -> None:
        """The process ends before its commit: whole segments may stay, nothing else."""
        before = self.store.offset(self.upload_id)
        with self.store.writer(self.upload_id) as writer:
            writer.write(self.rest()[:length])
        assert before <= self.store.offset(self.upload_id) <= before + length

    @rule(length=st.integers(1, 300))
    def be_garbled_under_a_checksum(self, length: int) -> None:
        before = self.store.offset(self.upload_id)
        with self.store.writer(self.upload_id, hold=True) as writer:
            writer.write(os.urandom(length))
            writer.discard()
        assert self.store.offset(self.upload_id) == before

    @rule(wrong=st.integers(1, 500))
    def send_at_another_offset(self, wrong: int) -> None:
        with pytest.raises(OffsetMismatch):
            patch(self.store, self.upload_id, self.store.offset(self.upload_id) + wrong, [b"x"])

    @rule()
    def restart(self) -> None:
        """Another process: it remembers nothing."""
        self.store = FilesystemStore(self.store.root)

    @precondition(lambda self: self.acknowledged)
    @rule(torn=st.integers(1, RECORD_BYTES - 1))
    def tear_the_journal(self, torn: int) -> None:
        """A power cut in mid-append: a record that was never acknowledged is half there."""
        journal = self.store.root / "staging" / str(self.upload_id) / "journal"
        with journal.open("ab") as book:
            book.write(os.urandom(torn))
        self.store = FilesystemStore(self.store.root)

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        assert self.store.offset(self.upload_id) >= self.acknowledged
        segments = self.store.segments(self.upload_id)
        assert sum(s.length for s in segments) == self.store.offset(self.upload_id)
        assert all(0 < s.length <= SMALL_SEGMENT for s in segments)
        at = 0
        for segment in segments:
            expected = sha256(self.content[at : at + segment.length])
            assert segment.sha256.hex() == expected
            at += segment.length

    @invariant()
    def the_read_back_is_of_what_is_there(self) -> None:
        read_back = self.store.read_back(self.upload_id)
        assert read_back.sha256.hex == sha256(self.content[: read_back.size])
        assert not read_back.differing

    @rule()
    def finish_and_file(self) -> None:
        """Always possible, and always the same original; on a copy, so that more may come."""
        rest = self.rest()
        whole = uuid4()
        self.store.concatenate(whole, [self.upload_id])
        if rest:
            patch(self.store, whole, len(self.content) - len(rest), [rest])
        read_back = self.store.read_back(whole)
        self.store.file(whole, read_back)
        self.store.remove(whole)
        assert b"".join(self.store.read(sha256(self.content))) == self.content


def test_whatever_happens_on_the_way_the_original_is_the_same() -> None:
    run_state_machine_as_test(
        Resuming,
        settings=settings(
            max_examples=60,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@given(
    content=st.binary(max_size=500),
    cuts=st.lists(st.integers(0, 500), max_size=8),
    step=st.integers(1, 200),
)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_split_into_patches_gives_the_same_digest(
    content: bytes, cuts: list[int], step: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, upload_id = FilesystemStore(Path(folder)), uuid4()
        store.create(upload_id, len(content))
        bounds = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
        for begin, end in itertools.pairwise(bounds):
            body = content[begin:end]
            pieces = [body[at : at + step] for at in range(0, len(body), step)]
            assert patch(store, upload_id, begin, pieces) == end
        read_back = store.read_back(upload_id)
        assert read_back.sha256.hex == sha256(content)
        assert store.unread(upload_id) == 0
        assert not read_back.differing
