"""Originals, derivatives and tiles: what every store promises of them."""

from __future__ import annotations

import dataclasses
from uuid import uuid4

import pytest

from evidence.errors import FixityMismatch, InvalidInput, LogForked, OriginalMissing, UploadGone
from evidence.storage.port import Store
from tests.contracts.stores import filed, sha256, staged

LONG = bytes(range(251)) * 10_000  # 2.5 MB: several pieces


def test_an_original_is_found_under_its_digest_whole(store: Store) -> None:
    digest = filed(store, LONG)
    assert b"".join(store.read(digest)) == LONG
    assert store.size(digest) == len(LONG)
    assert list(store.originals()) == [digest]


def test_an_empty_original_is_an_original(store: Store) -> None:
    digest = filed(store, b"")
    assert store.size(digest) == 0
    assert list(store.read(digest)) == []


def test_filing_again_is_harmless_and_staging_stays_until_it_is_removed(store: Store) -> None:
    upload_id = staged(store, b"abc")
    for _ in range(2):
        store.file(upload_id, store.read_back(upload_id))
    assert store.offset(upload_id) == 3
    store.remove(upload_id)
    assert b"".join(store.read(sha256(b"abc"))) == b"abc"


def test_the_same_bytes_twice_are_one_original(store: Store) -> None:
    assert filed(store, b"abc") == filed(store, b"abc")
    assert list(store.originals()) == [sha256(b"abc")]


def test_an_area_that_is_not_the_one_read_back_is_not_filed(store: Store) -> None:
    upload_id = staged(store, b"abc")
    other = dataclasses.replace(store.read_back(upload_id), size=2)
    with pytest.raises(FixityMismatch):
        store.file(upload_id, other)
    assert list(store.originals()) == []


def test_what_is_not_staged_cannot_be_filed(store: Store) -> None:
    upload_id = staged(store, b"abc")
    read_back = store.read_back(upload_id)
    store.remove(upload_id)
    with pytest.raises(UploadGone):
        store.file(upload_id, read_back)
    with pytest.raises(UploadGone):
        store.quarantine(upload_id, uuid4())


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 1), (1, None), (1_048_575, 2), (5, 2_000_000), (len(LONG), None), (len(LONG) - 1, 100)],
)
def test_a_stretch_is_read_without_the_rest(store: Store, start: int, length: int | None) -> None:
    digest = filed(store, LONG)
    end = None if length is None else start + length
    pieces = list(store.read(digest, start, length))
    assert b"".join(pieces) == LONG[start:end]
    assert all(len(piece) <= 1024 * 1024 for piece in pieces)


def test_a_missing_original_is_missing_at_once(store: Store) -> None:
    absent = sha256(b"never filed")
    with pytest.raises(OriginalMissing):
        store.read(absent)
    with pytest.raises(OriginalMissing):
        store.size(absent)
    with pytest.raises(OriginalMissing):
        store.read_quarantined(uuid4())
    with pytest.raises(OriginalMissing), store.local_path(absent):
        pass


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "é" * 64]
)
def test_what_is_no_digest_is_never_a_path(store: Store, name: str) -> None:
    for ask in (store.size, store.read, store.derivative):
        with pytest.raises((InvalidInput, OriginalMissing)):
            ask(name)


def test_quarantined_bytes_are_kept_and_are_no_original(store: Store) -> None:
    upload_id, exhibit_id = staged(store, LONG), uuid4()
    for _ in range(2):
        store.quarantine(upload_id, exhibit_id)
    store.remove(upload_id)
    assert b"".join(store.read_quarantined(exhibit_id)) == LONG
    assert b"".join(store.read_quarantined(exhibit_id, 3, 5)) == LONG[3:8]
    assert list(store.originals()) == []


def test_a_tool_gets_a_local_file(store: Store) -> None:
    digest = filed(store, b"abc")
    with store.local_path(digest) as path:
        assert path.read_bytes() == b"abc"


def test_a_proxy_is_told_a_name_that_its_digest_alone_decides(store: Store) -> None:
    digest = sha256(b"abc")
    assert store.local_name(digest) in (None, f"{digest[:2]}/{digest[2:4]}/{digest}")


def test_a_derivative_is_filed_under_its_digest(store: Store) -> None:
    assert store.put_derivative(b"poster") == store.put_derivative(b"poster") == sha256(b"poster")
    assert store.derivative(sha256(b"poster")) == b"poster"
    with pytest.raises(OriginalMissing):
        store.derivative(sha256(b"another"))


def test_a_tile_is_immutable(store: Store) -> None:
    assert store.tile("tile/0/x001/234.p/7") is None
    for _ in range(2):
        store.put_tile("tile/0/x001/234.p/7", b"hashes")
    with pytest.raises(LogForked):
        store.put_tile("tile/0/x001/234.p/7", b"others")
    assert store.tile("tile/0/x001/234.p/7") == b"hashes"


@pytest.mark.parametrize("path", ["", "tile/0/..", "/etc/passwd", "tile/../x", "tile/0/0000"])
def test_what_is_no_tile_is_never_a_path(store: Store, path: str) -> None:
    with pytest.raises(InvalidInput):
        store.put_tile(path, b"")
    with pytest.raises(InvalidInput):
        store.tile(path)


def test_everything_that_is_kept_can_be_listed(store: Store) -> None:
    assert not [*store.originals(), *store.quarantined(), *store.derivatives(), *store.tiles()]
    digests, exhibits = {filed(store, b"one"), filed(store, b"two")}, {uuid4(), uuid4()}
    for exhibit_id in exhibits:
        store.quarantine(staged(store, b"doubtful"), exhibit_id)
    posters = {store.put_derivative(b"poster"), store.put_derivative(b"another")}
    tiles = {"tile/0/000", "tile/0/000.p/9", "tile/0/x001/234.p/7", "tile/entries/000.p/1"}
    for path in tiles:
        store.put_tile(path, path.encode())
    assert sorted(store.originals()) == sorted(digests)
    assert sorted(store.quarantined()) == sorted(exhibits)
    assert sorted(store.derivatives()) == sorted(posters)
    assert sorted(store.tiles()) == sorted(tiles)
    for begun in ("tile/0/", "tile/entries/000", "tile/0/x001/234", "tile/7/001"):
        assert sorted(store.tiles(begun)) == sorted(t for t in tiles if t.startswith(begun))


def test_what_was_set_aside_is_in_quarantine_alone(store: Store) -> None:
    digest, exhibit_id = filed(store, b"abc"), uuid4()
    for _ in range(2):
        store.set_aside(digest, exhibit_id)
    assert list(store.originals()) == []
    assert b"".join(store.read_quarantined(exhibit_id)) == b"abc"


def test_what_was_left_out_for_an_altered_one_is_filed_once_that_is_set_aside(
    store: Store,
) -> None:
    digest, exhibit_id = filed(store, b"abc"), uuid4()
    again = staged(store, b"abc")
    read_back = store.read_back(again)
    store.file(again, read_back)
    store.set_aside(digest, exhibit_id)
    store.file(again, read_back)
    store.remove(again)
    assert list(store.originals()) == [digest]
    assert b"".join(store.read(digest)) == b"abc"
    assert b"".join(store.read_quarantined(exhibit_id)) == b"abc"


def test_what_is_in_quarantine_outlives_the_upload_that_brought_it(store: Store) -> None:
    first = staged(store, b"abc")
    store.file(first, store.read_back(first))
    store.set_aside(sha256(b"abc"), exhibit_id := uuid4())
    digest = filed(store, b"abc")
    store.remove(first)  # which somebody who died had not come to
    assert b"".join(store.read_quarantined(exhibit_id)) == b"abc"
    assert b"".join(store.read(digest)) == b"abc"


def test_what_is_locked_again_is_there_as_before(store: Store) -> None:
    digest = filed(store, b"abc")
    for _ in range(2):
        store.lock_again(digest)
    assert b"".join(store.read(digest)) == b"abc"
    with pytest.raises(OriginalMissing):
        store.lock_again(sha256(b"never filed"))


def test_what_is_in_quarantine_is_locked_again_and_there_as_before(store: Store) -> None:
    store.set_aside(filed(store, b"abc"), exhibit_id := uuid4())
    for _ in range(2):
        store.lock_quarantined(exhibit_id)
    assert b"".join(store.read_quarantined(exhibit_id)) == b"abc"
    with pytest.raises(OriginalMissing):
        store.lock_quarantined(uuid4())


def test_a_store_in_order_says_so(store: Store) -> None:
    store.check()
    room = store.room()
    assert room is None or 0 < room.free < room.total
