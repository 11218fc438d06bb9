"""Copying a store into another: what is copied, what is left alone, and what is named."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from evidence.errors import StorageUnavailable, UploadGone, UploadLeased
from evidence.storage import names
from evidence.storage.filesystem import FilesystemStore
from evidence.storage.memory import MemoryStore
from evidence.storage.port import Store
from evidence.storage.s3 import S3Store
from server.mirroring import mirror, pending
from tests import s3_service
from tests.contracts.stores import close, open_store, sha256, staged

EXHIBIT = UUID(int=7)
CONTENTS = (b"", b"short", os.urandom(9 * 1024 * 1024))


def fill(store: Store) -> None:
    for content in CONTENTS:
        upload_id = staged(store, content, pieces=300_000)
        store.file(upload_id, store.read_back(upload_id))
        store.remove(upload_id)
    upload_id = staged(store, b"doubtful")
    store.quarantine(upload_id, EXHIBIT)
    store.remove(upload_id)
    store.put_derivative(b"poster")
    store.put_tile("tile/0/000.p/1", b"hash")


def everything(store: Store) -> dict[str, bytes]:
    return {
        **{s: b"".join(store.read(s)) for s in store.originals()},
        **{str(i): b"".join(store.read_quarantined(i)) for i in store.quarantined()},
        **{s: store.derivative(s) for s in store.derivatives()},
        **{p: store.tile(p) or b"" for p in store.tiles()},
    }


@pytest.fixture
def source(tmp_path: Path) -> FilesystemStore:
    store = FilesystemStore(tmp_path / "source")
    fill(store)
    return store


@pytest.fixture
def target(tmp_path: Path) -> FilesystemStore:
    return FilesystemStore(tmp_path / "target")


def test_everything_is_copied_once(source: FilesystemStore, target: FilesystemStore) -> None:
    before = everything(source)
    assert sum(pending(source, target).values()) == 6
    done = mirror(source, target)
    assert done.problems == []
    assert done.copied == {"originals": 3, "quarantined": 1, "derivatives": 1, "tiles": 1}
    assert everything(target) == everything(source) == before
    assert not any(pending(source, target).values())
    assert list(target.staged()) == []
    again = mirror(source, target)
    assert (sum(again.copied.values()), again.there) == (0, done.copied)


def test_between_any_two_stores(source: FilesystemStore, target: FilesystemStore) -> None:
    between = MemoryStore()
    mirror(source, between)
    assert mirror(between, target).problems == []
    assert everything(target) == everything(source)


def original(store: FilesystemStore, content: bytes) -> Path:
    digest = sha256(content)
    return store.root / "originals" / digest[:2] / digest[2:4] / digest


def bend(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def test_an_altered_original_is_named_and_not_copied(
    source: FilesystemStore, target: FilesystemStore
) -> None:
    bend(original(source, CONTENTS[2]))
    done = mirror(source, target)
    assert len(done.problems) == 1
    assert f"original {sha256(CONTENTS[2])}: where it is read from" in done.problems[0]
    assert done.copied["originals"] == 2
    assert sha256(CONTENTS[2]) not in list(target.originals())
    assert list(target.staged()) == []
    assert pending(source, target)["originals"] == 1


def test_what_is_there_with_other_bytes_is_named_and_left_alone(
    source: FilesystemStore, target: FilesystemStore
) -> None:
    mirror(source, target)
    bent = {
        sha256(CONTENTS[1]): original(target, CONTENTS[1]),
        str(EXHIBIT): target.root / "quarantine" / str(EXHIBIT),
        sha256(b"poster"): target.root / "derivatives" / sha256(b"poster")[:2] / sha256(b"poster"),
        "tile/0/000.p/1": target.root / "log" / "tile" / "0" / "000.p" / "1",
    }
    for path in bent.values():
        bend(path)
    before = everything(target)
    done = mirror(source, target)
    assert len(done.problems) == len(bent)
    for name in bent:
        assert any(name in words for words in done.problems)
    assert everything(target) == before


def test_a_truncated_original_is_named_too(
    source: FilesystemStore, target: FilesystemStore
) -> None:
    mirror(source, target)
    path = original(target, CONTENTS[2])
    path.chmod(0o600)
    os.truncate(path, 100)
    assert len(mirror(source, target).problems) == 1


def test_what_the_destination_garbles_is_not_filed(
    source: FilesystemStore, target: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_back = FilesystemStore.read_back
    first = []

    def rot(self: FilesystemStore, upload_id: UUID) -> object:
        if not first:
            first.append(upload_id)
            self.remove(upload_id)
            other = staged(self, b"other bytes")
            (self.root / "staging" / str(other)).rename(self.root / "staging" / str(upload_id))
        return read_back(self, upload_id)

    monkeypatch.setattr(FilesystemStore, "read_back", rot)
    done = mirror(source, target)
    assert ["came back" in words for words in done.problems] == [True]
    assert sha256(b"other bytes") not in everything(target)
    assert list(target.staged()) == []
    assert mirror(source, target).problems == []
    assert everything(target) == everything(source)


@pytest.mark.parametrize("fault", ["lost", "done but not reported"])
@pytest.mark.parametrize("operation", ["create", "commit", "file", "quarantine", "remove", "tile"])
def test_a_destination_that_fails_is_gone_on_with_later(
    source: FilesystemStore, operation: str, fault: str
) -> None:
    target = MemoryStore()
    target.faults[operation] = fault  # type: ignore[index, assignment]
    with pytest.raises(StorageUnavailable):
        mirror(source, target)
    target.faults.clear()
    assert mirror(source, target).problems == []
    assert everything(target) == everything(source)
    assert list(target.staged()) == []


def test_a_staging_area_that_a_killed_run_left_is_taken_away_first(
    source: FilesystemStore, target: FilesystemStore
) -> None:
    left = names.mirroring()
    target.create(left, 10)
    with target.writer(left) as writer:
        writer.write(b"torn")
        writer.commit()
    there: list[list[UUID]] = []
    assert mirror(source, target, lambda _: there.append(list(target.staged()))).problems == []
    assert everything(target) == everything(source)
    # Before the first is copied: it may hold the room that this needs.
    assert there == [[]] * 6


def test_an_upload_under_way_is_pending(source: FilesystemStore, target: FilesystemStore) -> None:
    mirror(source, target)
    source.create(uuid4(), 10)
    assert pending(source, target)["uploads under way"] == 1


def test_an_upload_that_is_sealed_while_it_is_counted_is_pending(
    source: FilesystemStore, target: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = staged(source, b"its last byte has come")

    def then_sealed(listing: str) -> None:
        listed = getattr(source, listing)

        def once(*_: object) -> list[object]:
            found = list(listed())
            with suppress(UploadGone):
                source.file(upload_id, source.read_back(upload_id))
                source.remove(upload_id)
            return found

        monkeypatch.setattr(source, listing, once)

    then_sealed("originals")
    then_sealed("staged")
    assert any(pending(source, target).values())


@pytest.mark.parametrize("backend", ["filesystem", "s3"])
def test_a_copy_that_fails_takes_nothing_from_one_that_another_machine_made_meanwhile(
    source: FilesystemStore, tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, mine = open_store(backend, tmp_path), FilesystemStore(source.root)
    size = mine.size

    def slowly(digest: str) -> int:
        found = size(digest)
        assert mirror(source, target).problems == []
        monkeypatch.setattr(mine, "size", size)
        monkeypatch.setattr(mine, "read", lambda _: iter([b"read wrong here"]))
        return found

    monkeypatch.setattr(mine, "size", slowly)
    assert "its bytes are others" in "".join(mirror(mine, target).problems)
    assert everything(target) == everything(source)
    assert list(target.staged()) == []
    close(target)


@pytest.mark.parametrize("backend", ["filesystem", "s3"])
def test_two_machines_that_copy_at_once_disturb_each_other_and_lose_nothing(
    source: FilesystemStore, tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, mine = open_store(backend, tmp_path), FilesystemStore(source.root)
    read = mine.read

    def slowly(digest: str) -> Iterator[bytes]:
        monkeypatch.setattr(mine, "read", read)
        pieces = read(digest)
        yield from itertools.islice(pieces, 1)
        assert mirror(source, target).problems == []
        yield from pieces

    monkeypatch.setattr(mine, "read", slowly)
    with pytest.raises((UploadGone, UploadLeased, StorageUnavailable)):
        mirror(mine, target)
    assert everything(target) == everything(source)
    assert mirror(mine, target).problems == []
    assert list(target.staged()) == []
    close(target)


@pytest.mark.grown_up
def test_from_disk_to_s3_and_back(source: FilesystemStore, tmp_path: Path) -> None:
    before = everything(source)
    service = S3Store(s3_service.new_place(), tmp_path / "tmp")
    assert mirror(source, service).problems == []
    assert everything(service) == before
    back = FilesystemStore(tmp_path / "back")
    assert mirror(service, back).problems == []
    assert everything(back) == before
    assert sum(pending(source, service).values()) == sum(pending(service, back).values()) == 0
    assert list(service.staged()) == []
    service.close()
