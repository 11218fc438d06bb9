"""Two stores as one: where each thing goes, and where it is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from evidence.errors import LogForked, StorageUnavailable, UploadGone
from evidence.storage import names
from evidence.storage.falling_through import FallingThrough
from evidence.storage.port import Store
from tests.contracts.stores import MOVING, close, filed, open_pair, sha256, staged


class Pair:
    """Before the switch the old one alone, after it both."""

    def __init__(self, backend: str, folder: Path) -> None:
        self.new, self.old = open_pair(backend, folder)
        self.both: Store = FallingThrough(self.new, self.old)


@pytest.fixture(params=MOVING)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(request.param, tmp_path)
    yield pair
    close(pair.new, pair.old)


def test_what_is_new_goes_to_the_new_one_alone(pair: Pair) -> None:
    digest = filed(pair.both, b"new")
    poster = pair.both.put_derivative(b"poster")
    pair.both.put_tile("tile/0/000.p/1", b"hash")
    exhibit_id = uuid4()
    pair.both.quarantine(staged(pair.both, b"doubtful"), exhibit_id)
    assert list(pair.new.originals()) == [digest]
    assert list(pair.new.derivatives()) == [poster]
    assert list(pair.new.tiles()) == ["tile/0/000.p/1"]
    assert list(pair.new.quarantined()) == [exhibit_id]
    old = pair.old
    assert not [*old.originals(), *old.derivatives(), *old.tiles(), *old.quarantined()]


def test_what_the_new_one_has_not_is_read_from_the_old(pair: Pair) -> None:
    digest, poster = filed(pair.old, b"old"), pair.old.put_derivative(b"poster")
    exhibit_id = uuid4()
    pair.old.quarantine(staged(pair.old, b"doubtful"), exhibit_id)
    pair.old.put_tile("tile/0/000", b"hashes")
    both = pair.both
    assert b"".join(both.read(digest)) == b"".join(both.read_again(digest)) == b"old"
    assert b"".join(both.read_quarantined(exhibit_id)) == b"doubtful"
    assert (both.size(digest), both.derivative(poster)) == (3, b"poster")
    assert both.tile("tile/0/000") == b"hashes"
    with both.local_path(digest) as path:
        assert path.read_bytes() == b"old"
    filed(pair.new, b"old")
    assert list(both.originals()) == [digest]


def test_an_upload_stays_where_it_began(pair: Pair) -> None:
    upload_id = uuid4()
    pair.old.create(upload_id, 10)
    with pair.old.writer(upload_id) as writer:
        writer.write(b"before ")
        writer.commit()
    both = pair.both
    both.create(upload_id, 10)
    assert list(both.staged()) == [upload_id]
    with both.writer(upload_id) as writer:
        assert writer.offset == 7
        writer.write(b"and")
        writer.commit()
    assert list(pair.new.staged()) == []
    both.file(upload_id, both.read_back(upload_id))
    both.remove(upload_id)
    assert list(pair.old.originals()) == list(both.originals()) == [sha256(b"before and")]
    assert list(both.staged()) == []


def test_parts_in_two_stores_are_sent_again(pair: Pair) -> None:
    parts, whole = [staged(pair.old, b"one "), staged(pair.old, b"two")], uuid4()
    pair.both.concatenate(whole, parts)
    assert pair.both.read_back(whole).sha256.hex == sha256(b"one two")
    with pytest.raises(UploadGone, match="two stores"):
        pair.both.concatenate(uuid4(), [parts[0], staged(pair.both, b"three")])


def test_a_tile_of_the_old_one_is_never_written_over(pair: Pair) -> None:
    pair.old.put_tile("tile/0/000", b"hashes")
    with pytest.raises(LogForked):
        pair.both.put_tile("tile/0/000", b"others")
    pair.both.put_tile("tile/0/000", b"hashes")
    assert pair.new.tile("tile/0/000") == b"hashes"


def test_what_is_set_aside_is_found_in_neither(pair: Pair) -> None:
    digest, exhibit_id = filed(pair.old, b"rotten"), uuid4()
    filed(pair.new, b"rotten")
    pair.both.set_aside(digest, exhibit_id)
    assert list(pair.both.originals()) == []


def test_the_areas_of_a_copy_are_nobody_elses_to_remove(pair: Pair) -> None:
    copying = names.mirroring()
    pair.new.create(copying, 10)
    upload_id = staged(pair.both, b"an upload")
    assert list(pair.both.staged()) == [upload_id]
    assert names.is_mirroring(copying)
    assert not names.is_mirroring(upload_id)


def test_who_dies_between_setting_aside_in_one_and_in_the_other_finds_the_altered_one_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what is read, and the other would make it seem intact."""
    digest = filed(pair.old, b"abc")
    filed(pair.new, b"abc")
    exhibit_id = uuid4()

    def die(*_: object) -> None:
        raise StorageUnavailable("killed")

    for store in (pair.new, pair.old):
        with monkeypatch.context() as dying:
            dying.setattr(store, "set_aside", die)
            with pytest.raises(StorageUnavailable):
                pair.both.set_aside(digest, exhibit_id)
        assert digest in pair.new.originals()
    pair.both.set_aside(digest, exhibit_id)
    assert list(pair.both.originals()) == []
