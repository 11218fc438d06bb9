"""Bytes on their way in: what every store promises of its staging areas."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from evidence.digests import SEGMENT_BYTES
from evidence.errors import UploadComplete, UploadGone, UploadLeased
from evidence.storage.port import Store
from tests.contracts.stores import cut, sha256, staged


def test_an_empty_area_stands_at_zero(store: Store) -> None:
    upload_id = uuid4()
    store.create(upload_id, 10)
    assert store.offset(upload_id) == 0
    assert store.segments(upload_id) == []
    assert list(store.staged()) == [upload_id]


def test_creating_an_area_again_keeps_what_it_holds(store: Store) -> None:
    upload_id = staged(store, b"abc")
    store.create(upload_id, 3)
    assert store.offset(upload_id) == 3


def test_what_is_committed_is_durable_and_what_is_not_is_not_counted(store: Store) -> None:
    upload_id = uuid4()
    store.create(upload_id, 10)
    with store.writer(upload_id) as writer:
        writer.write(b"0123")
        assert store.offset(upload_id) == 0
        assert writer.commit() == writer.offset == store.offset(upload_id) == 4
        writer.write(b"45")
    assert store.offset(upload_id) == 4
    with store.writer(upload_id) as writer:
        assert writer.offset == 4
        writer.write(b"456789")
        writer.commit()
    assert store.read_back(upload_id).sha256.hex == sha256(b"0123456789")


def test_each_commit_closes_a_segment_and_a_long_one_is_cut_at_eight_mebibytes(
    store: Store,
) -> None:
    content = bytes(range(256)) * (SEGMENT_BYTES // 256) + b"tail"
    upload_id = staged(store, content, pieces=700_001)
    lengths = [segment.length for segment in store.segments(upload_id)]
    assert lengths == [SEGMENT_BYTES, 4]
    read_back = store.read_back(upload_id)
    assert [segment.sha256.hex() for segment in read_back.segments] == [
        sha256(content[:SEGMENT_BYTES]),
        sha256(b"tail"),
    ]
    assert read_back.size == len(content)
    assert read_back.differing == ()
    assert read_back.sha256.hex == sha256(content)


def test_an_unread_area_is_read_whole_by_another_process(store: Store) -> None:
    upload_id = staged(store, b"abc" * 1000)
    assert store.unread(upload_id) in (0, 3000)
    assert store.read_back(upload_id).sha256.hex == sha256(b"abc" * 1000)
    assert store.read_back(upload_id).sha256.hex == sha256(b"abc" * 1000)


def test_held_bytes_can_be_discarded_and_sent_again(store: Store) -> None:
    upload_id = staged(store, b"first ")
    with store.writer(upload_id, hold=True) as writer:
        writer.write(b"garbled on the wire" * 1000)
        writer.discard()
        assert writer.offset == 6
        writer.write(b"second")
        assert writer.commit() == 12
    assert store.read_back(upload_id).sha256.hex == sha256(b"first second")


def test_held_bytes_longer_than_a_segment_count_only_when_committed(store: Store) -> None:
    content = b"x" * (SEGMENT_BYTES + 10)
    upload_id = uuid4()
    store.create(upload_id, len(content))
    with store.writer(upload_id, hold=True) as writer:
        for piece in cut(content, 1024 * 1024):
            writer.write(piece)
        assert store.offset(upload_id) == 0
    assert store.offset(upload_id) == 0
    with store.writer(upload_id, hold=True) as writer:
        for piece in cut(content, 1024 * 1024):
            writer.write(piece)
        assert writer.commit() == len(content)
    assert store.read_back(upload_id).sha256.hex == sha256(content)


def test_one_writer_at_a_time(store: Store) -> None:
    upload_id = uuid4()
    store.create(upload_id, 6)
    with store.writer(upload_id) as writer:
        writer.write(b"abc")
        with pytest.raises(UploadLeased), store.writer(upload_id):
            pass
        writer.commit()
    with store.writer(upload_id) as writer:
        assert writer.offset == 3


def test_of_two_writers_at_once_exactly_one_wins(store: Store) -> None:
    upload_id = uuid4()
    store.create(upload_id, 8)
    start, done = threading.Barrier(2), threading.Barrier(2)
    outcomes: list[str] = []

    def write() -> None:
        start.wait()
        try:
            with store.writer(upload_id) as writer:
                done.wait()
                writer.write(b"12345678")
                writer.commit()
            outcomes.append("won")
        except UploadLeased:
            outcomes.append("lost")
            done.wait()

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost", "won"]
    assert store.offset(upload_id) == 8


def test_a_length_can_be_declared_later(store: Store) -> None:
    upload_id = uuid4()
    store.create(upload_id, None)
    with store.writer(upload_id) as writer:
        writer.write(b"before ")
        writer.commit()
    store.declare_length(upload_id, 12)
    with store.writer(upload_id) as writer:
        writer.write(b"after")
        writer.commit()
    assert store.read_back(upload_id).sha256.hex == sha256(b"before after")


def test_parts_are_joined_in_the_order_asked_for(store: Store) -> None:
    one, two = staged(store, b"one "), staged(store, b"two")
    whole = uuid4()
    store.concatenate(whole, [two, one, two])
    assert store.offset(whole) == 10
    assert store.read_back(whole).sha256.hex == sha256(b"twoone two")
    assert store.read_back(whole).differing == ()


def test_joining_again_is_harmless_even_when_the_whole_was_filed(store: Store) -> None:
    parts = [staged(store, b"one "), staged(store, b"two")]
    whole = uuid4()
    store.concatenate(whole, parts)
    store.concatenate(whole, parts)
    read_back = store.read_back(whole)
    store.file(whole, read_back)
    store.concatenate(whole, parts)
    assert b"".join(store.read(read_back.sha256.hex)) == b"one two"


def test_a_part_that_is_gone_cannot_be_joined(store: Store) -> None:
    with pytest.raises(UploadGone):
        store.concatenate(uuid4(), [uuid4()])


def test_what_was_removed_is_gone_and_removing_again_is_harmless(store: Store) -> None:
    upload_id = staged(store, b"abc")
    store.remove(upload_id)
    store.remove(upload_id)
    assert list(store.staged()) == []
    for ask in (store.offset, store.segments, store.read_back, store.unread):
        with pytest.raises(UploadGone):
            ask(upload_id)
    with pytest.raises(UploadGone):
        store.declare_length(upload_id, 3)
    with pytest.raises(UploadGone), store.writer(upload_id):
        pass


def test_a_filed_area_takes_no_writer(store: Store) -> None:
    upload_id = staged(store, b"sealed")
    read_back = store.read_back(upload_id)
    store.file(upload_id, read_back)
    with pytest.raises(UploadComplete), store.writer(upload_id):
        pass
    assert b"".join(store.read(read_back.sha256.hex)) == b"sealed"


def test_while_a_writer_holds_the_area_it_cannot_be_filed(store: Store) -> None:
    upload_id = staged(store, b"sealed")
    read_back = store.read_back(upload_id)
    with store.writer(upload_id), pytest.raises(UploadLeased):
        store.file(upload_id, read_back)
    store.file(upload_id, read_back)
