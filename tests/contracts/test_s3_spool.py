"""What is on its way to an S3 service: in memory, in a file, and gone afterwards."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from evidence.digests import SEGMENT_BYTES, Segment
from evidence.errors import StorageFull, StorageUnavailable
from evidence.storage import buffers, s3_spool, s3_writer
from evidence.storage.s3 import S3Store
from evidence.storage.s3_spool import Spool
from tests import s3_service
from tests.contracts.stores import sha256

MOST = 3


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[buffers.Buffers]:
    """Three buffers of our own, all of which have to be back in the end."""
    few = buffers.Buffers(MOST)
    monkeypatch.setattr(s3_spool, "BUFFERS", few)
    yield few
    lent = [few.borrow() for _ in range(MOST)]
    assert None not in lent, "a buffer did not come back"
    assert few.borrow() is None, "a buffer came back twice"


def content_of(spool: Spool) -> bytes:
    body = spool.body()
    return body.read() if isinstance(body, io.IOBase) else bytes(spool.content())


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("size", [0, 5, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES + 3])
def test_a_part_is_given_back_as_it_came(tmp_path: Path, in_memory: bool, size: int) -> None:
    content = os.urandom(size)
    with closing(Spool(tmp_path, in_memory=in_memory)) as spool:
        for at in range(0, size, 3_000_000):
            spool.put(memoryview(content)[at : at + 3_000_000])
        # In any order, and again where a request is repeated.
        for _ in range(2):
            assert spool.sha256() == hashlib.sha256(content).digest()
            assert content_of(spool) == content
        assert spool.size == size
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_finds_no_room_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    def full(handle: int, content: bytes | memoryview) -> None:
        os.write(handle, memoryview(content)[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    content, more = os.urandom(SEGMENT_BYTES - 7), os.urandom(300)
    with closing(Spool(tmp_path, in_memory=in_memory)) as spool:
        spool.put(content)
        with monkeypatch.context() as patch:
            patch.setattr(s3_spool, "write_whole", full)
            for _ in range(2):
                with pytest.raises(StorageFull, match="data/tmp"):
                    spool.put(more)
        assert content_of(spool) == content
        spool.put(more)
        assert content_of(spool) == content + more
        assert spool.sha256() == hashlib.sha256(content + more).digest()


def test_whoever_finds_no_buffer_left_takes_a_file(tmp_path: Path) -> None:
    spools = [Spool(tmp_path, in_memory=True) for _ in range(MOST + 2)]
    for number, spool in enumerate(spools):
        spool.put(b"%d" % number)
        spool.segments.append(Segment(1, hashlib.sha256(b"%d" % number).digest()))
    assert [isinstance(spool.body(), bytes) for spool in spools] == [True] * MOST + [False] * 2
    for number, spool in enumerate(spools):
        assert spool.content() == b"%d" % number
        spool.close()
        spool.close()


@pytest.mark.grown_up
def test_a_long_recording_goes_through_few_buffers(tmp_path: Path) -> None:
    store, upload_id = S3Store(s3_service.new_place(), tmp_path), uuid4()
    content = os.urandom(9 * SEGMENT_BYTES + 5)
    store.create(upload_id, len(content))
    for begin, end in ((0, 1_000_003), (1_000_003, len(content))):  # a tail begins a part
        with store.writer(upload_id) as writer:
            writer.write(content[begin:end])
            assert writer.commit() == end
    assert store.read_back(upload_id).sha256.hex == sha256(content)


@pytest.mark.grown_up
def test_buffers_come_back_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, upload_id = S3Store(s3_service.new_place(), tmp_path), uuid4()
    store.create(upload_id, 10 * SEGMENT_BYTES)
    sent = s3_writer.send_part

    def refuse(*of: Any, **members: Any) -> s3_writer.Part:
        if members["number"] % 2:
            raise StorageUnavailable()
        return sent(*of, **members)

    with store.writer(upload_id) as writer:
        writer.write(b"x" * (SEGMENT_BYTES + 100))
        writer.discard()
        writer.write(b"y" * 100)
    monkeypatch.setattr(s3_writer, "send_part", refuse)
    with pytest.raises(StorageUnavailable), store.writer(upload_id) as writer:
        writer.write(b"z" * 9 * SEGMENT_BYTES)
