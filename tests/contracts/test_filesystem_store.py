"""What is the disk's alone: names and modes, torn tails, dead writers, full disks, lying bytes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
import threading
from collections import namedtuple
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from evidence.digests import SEGMENT_BYTES
from evidence.errors import (
    InvalidInput,
    OriginalMissing,
    StorageFull,
    StorageUnavailable,
    UploadLeased,
)
from evidence.storage import behind, buffers, filesystem, staging
from evidence.storage.filesystem import FilesystemStore
from evidence.storage.journal import RECORD_BYTES
from evidence.storage.port import StagingWriter
from tests.contracts.stores import cut, sha256, sm3, staged

ROOT = Path(__file__).resolve().parents[2]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    return FilesystemStore(tmp_path / "store")


def area(store: FilesystemStore, upload_id: UUID) -> Path:
    return store.root / "staging" / str(upload_id)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_can_read_and_nobody_can_write_what_is_filed(store: FilesystemStore) -> None:
    upload_id = staged(store, b"abc")
    assert mode(area(store, upload_id) / "data") == 0o600
    assert mode(area(store, upload_id) / "journal") == 0o600
    read_back = store.read_back(upload_id)
    store.file(upload_id, read_back)
    digest = read_back.sha256.hex
    original = store.root / "originals" / digest[:2] / digest[2:4] / digest
    assert mode(original) == 0o440
    poster = store.put_derivative(b"poster")
    assert mode(store.root / "derivatives" / poster[:2] / poster) == 0o440
    shared = {store.root / "originals", *original.parents} - {store.root, *store.root.parents}
    folders = {p for p in store.root.rglob("*") if p.is_dir()}
    assert {mode(p) for p in folders - shared} == {0o700}
    # A proxy that serves originals reads them as the folder's group; it cannot list the store.
    assert {mode(p) for p in shared} == {0o750}
    assert mode(store.root) == 0o700


def test_a_folder_that_is_lent_to_a_group_lends_every_original_in_it(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    os.chown(root, -1, os.getgid())
    root.chmod(0o2710)
    store = FilesystemStore(root)
    upload_id = staged(store, b"abc")
    read_back = store.read_back(upload_id)
    store.file(upload_id, read_back)
    path = root / "originals" / str(store.local_name(read_back.sha256.hex))
    assert path.read_bytes() == b"abc"
    lent = [path.parent, path.parent.parent, root / "originals"]
    assert [mode(folder) for folder in lent] == [0o2750] * 3


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "A" * 64, "0" * 63])
def test_what_is_no_digest_has_no_name_for_a_proxy(store: FilesystemStore, name: str) -> None:
    with pytest.raises(InvalidInput):
        store.local_name(name)


def test_what_one_process_read_back_is_not_taken_for_an_area_that_another_made_anew(
    tmp_path: Path,
) -> None:
    """The same upload, given up and asked for again through another web process."""
    one, other = (FilesystemStore(tmp_path / "store") for _ in range(2))
    old, new = b"o" * SEGMENT_BYTES, b"n" * SEGMENT_BYTES
    upload_id = staged(one, old, pieces=SEGMENT_BYTES)
    other.remove(upload_id)
    other.create(upload_id, len(new) + 1)
    with other.writer(upload_id) as writer:
        writer.write(new)
        writer.commit()
    assert one.unread(upload_id) == len(new)
    with one.writer(upload_id) as writer:
        writer.write(b"!")
        writer.commit()
    found = one.read_back(upload_id)
    assert (found.sha256.hex, found.differing) == (sha256(new + b"!"), ())


def test_names_on_the_disk_are_identifiers_and_digests_only(store: FilesystemStore) -> None:
    upload_id, exhibit_id = staged(store, b"abc"), uuid4()
    store.quarantine(upload_id, exhibit_id)
    names = {p.name for p in store.root.rglob("*") if p.is_file()}
    assert names == {"data", "journal", str(exhibit_id)}


@pytest.mark.parametrize("torn", [1, RECORD_BYTES - 1, RECORD_BYTES + 5])
def test_a_torn_journal_ends_before_the_tear(store: FilesystemStore, torn: int) -> None:
    upload_id = uuid4()
    store.create(upload_id, 100)
    for piece in (b"a" * 10, b"b" * 10, b"c" * 10):
        with store.writer(upload_id) as writer:
            writer.write(piece)
            writer.commit()
    journal = area(store, upload_id) / "journal"
    os.truncate(journal, 3 * RECORD_BYTES - torn)
    whole = (3 * RECORD_BYTES - torn) // RECORD_BYTES
    fresh = FilesystemStore(store.root)
    assert fresh.offset(upload_id) == whole * 10
    with fresh.writer(upload_id) as writer:
        assert writer.offset == whole * 10
        writer.write(b"d" * 5)
        writer.commit()
    expected = (b"a" * 10 + b"b" * 10)[: whole * 10] + b"d" * 5
    assert FilesystemStore(store.root).read_back(upload_id).sha256.hex == sha256(expected)


@pytest.mark.parametrize("at", [0, 9, 20, RECORD_BYTES - 1])
def test_a_record_that_was_altered_ends_the_journal(store: FilesystemStore, at: int) -> None:
    upload_id = staged(store, b"abc")
    journal = area(store, upload_id) / "journal"
    content = bytearray(journal.read_bytes())
    content[at] ^= 1
    journal.write_bytes(content)
    assert store.offset(upload_id) == 0


def test_bytes_that_no_record_names_are_written_over(store: FilesystemStore) -> None:
    upload_id = uuid4()
    store.create(upload_id, 20)
    with store.writer(upload_id) as writer:
        writer.write(b"good")
        writer.commit()
        writer.write(b"never committed")
    with store.writer(upload_id) as writer:
        writer.write(b" end")
        writer.commit()
    read_back = store.read_back(upload_id)
    store.file(upload_id, read_back)
    assert b"".join(store.read(sha256(b"good end"))) == b"good end"


@pytest.mark.parametrize("fresh", [False, True], ids=["behind the writer", "read back later"])
def test_a_byte_that_rots_in_storage_is_found_to_the_segment(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    content = os.urandom(2 * SEGMENT_BYTES + 9)
    at = SEGMENT_BYTES + 1000
    rotten = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    upload_id = uuid4()
    store.create(upload_id, len(content))
    data = area(store, upload_id) / "data"
    sync = os.fdatasync

    def rot(handle: int) -> None:
        sync(handle)
        if os.path.samefile(f"/proc/self/fd/{handle}", data):
            with data.open("r+b") as file:
                file.seek(at)
                file.write(rotten[at : at + 1])

    with monkeypatch.context() as patch:
        patch.setattr(behind.os, "fdatasync", rot)
        with store.writer(upload_id) as writer:
            for piece in cut(content, 1024 * 1024):
                writer.write(piece)
            writer.commit()
    reader = FilesystemStore(store.root) if fresh else store
    read_back = reader.read_back(upload_id)
    assert read_back.differing in ((1,), [1])
    # Of what came back, not of what was received.
    assert read_back.sha256.hex == sha256(rotten)
    assert (read_back.sm3.hex if read_back.sm3 else None) == sm3(rotten)


def test_the_last_byte_leaves_hardly_anything_to_read(store: FilesystemStore) -> None:
    upload_id = staged(store, os.urandom(SEGMENT_BYTES + 5), pieces=1024 * 1024)
    assert store.unread(upload_id) == 0
    assert FilesystemStore(store.root).unread(upload_id) == SEGMENT_BYTES + 5


def test_without_buffers_left_the_segments_are_digested_instead(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "BUFFERS", buffers.Buffers(0))
    content = os.urandom(SEGMENT_BYTES + 5)
    upload_id = staged(store, content, pieces=1024 * 1024)
    assert store.unread(upload_id) == 0
    assert store.read_back(upload_id).sha256.hex == sha256(content)


def test_buffers_come_back_whatever_happens(store: FilesystemStore) -> None:
    for _ in range(10):
        upload_id = uuid4()
        store.create(upload_id, 2 * SEGMENT_BYTES)
        with store.writer(upload_id) as writer:
            writer.write(b"x" * SEGMENT_BYTES)
            writer.write(b"y" * 100)
            writer.discard()
            writer.write(b"z")
    lent = [buffers.BUFFERS.borrow() for _ in range(6)]
    assert None not in lent
    assert buffers.BUFFERS.borrow() is None
    for buffer in lent:
        assert buffer is not None
        buffers.BUFFERS.give_back(buffer)


def test_a_silent_writer_is_taken_over_and_touches_nothing_more(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = uuid4()
    store.create(upload_id, 100)
    with store.writer(upload_id) as old:
        old.write(b"old ")
        monkeypatch.setattr(filesystem, "SILENT_SECONDS", 0.0)
        with store.writer(upload_id) as new:
            assert new.offset == 4  # what had arrived was kept
            new.write(b"new")
            for act in (lambda: old.write(b"late"), old.commit, old.discard):
                with pytest.raises(UploadLeased):
                    act()
            new.commit()
    assert store.read_back(upload_id).sha256.hex == sha256(b"old new")


def test_a_writer_revoked_in_mid_write_keeps_whole_what_it_had(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "SILENT_SECONDS", 0.0)
    upload_id = uuid4()
    store.create(upload_id, 64 * SEGMENT_BYTES)
    arrived, ended = threading.Event(), threading.Event()
    pieces: list[int] = []

    def pour(writer: StagingWriter) -> None:
        while True:
            writer.write(b"\x07" * 300_000)
            pieces.append(300_000)
            if sum(pieces) > SEGMENT_BYTES:
                arrived.set()

    def be_taken_over() -> None:
        with store.writer(upload_id) as writer, pytest.raises(UploadLeased):
            pour(writer)
        ended.set()

    thread = threading.Thread(target=be_taken_over)
    thread.start()
    assert arrived.wait(10)
    with store.writer(upload_id) as writer:
        assert ended.wait(10)
        assert writer.offset == sum(pieces)
    thread.join()
    assert store.read_back(upload_id).sha256.hex == sha256(b"\x07" * sum(pieces))


def in_another_process(store: FilesystemStore, upload_id: UUID) -> subprocess.Popen[str]:
    """A process that writes and holds the area, until it is killed."""
    program = f"""
        import sys, time
        from pathlib import Path
        from uuid import UUID
        from evidence.storage.filesystem import FilesystemStore
        with FilesystemStore(Path({str(store.root)!r})).writer(UUID({str(upload_id)!r})) as writer:
            writer.write(b"durable")
            writer.commit()
            writer.write(b" and not")
            print("written", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def test_another_processs_writer_is_respected_and_a_killed_one_is_not(
    store: FilesystemStore,
) -> None:
    upload_id = uuid4()
    store.create(upload_id, 100)
    process = in_another_process(store, upload_id)
    with pytest.raises(UploadLeased), store.writer(upload_id):
        pass
    process.kill()
    process.communicate()
    with store.writer(upload_id) as writer:
        assert writer.offset == 7


def test_room_is_really_reserved_when_an_upload_is_created(store: FilesystemStore) -> None:
    upload_id = uuid4()
    store.create(upload_id, 3_000_000)
    assert (area(store, upload_id) / "data").stat().st_blocks * 512 >= 3_000_000


def test_a_full_disk_refuses_at_creation_and_leaves_nothing(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = filesystem.MARGIN_BYTES + 999
    monkeypatch.setattr(filesystem.shutil, "disk_usage", lambda _: Usage(2 * free, free, free))
    with pytest.raises(StorageFull):
        store.create(uuid4(), 1000)
    assert list((store.root / "staging").iterdir()) == []
    store.create(uuid4(), 999)


def test_a_disk_that_is_full_after_all_leaves_nothing_either(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(filesystem.os, "posix_fallocate", refuse)
    with pytest.raises(StorageFull):
        store.create(uuid4(), 1000)
    assert list((store.root / "staging").iterdir()) == []


def test_an_unknown_length_reserves_as_it_goes_and_keeps_the_margin(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = uuid4()
    store.create(upload_id, None)
    with store.writer(upload_id) as writer:
        writer.write(b"x" * 100)
        writer.commit()
    assert (area(store, upload_id) / "data").stat().st_size == filesystem.STEP_BYTES
    monkeypatch.setattr(filesystem.shutil, "disk_usage", lambda _: Usage(1, 1, 1))
    monkeypatch.setattr(filesystem, "STEP_BYTES", 50)
    os.truncate(area(store, upload_id) / "data", 100)
    with pytest.raises(StorageFull), store.writer(upload_id) as writer:
        writer.write(b"y")
    assert store.offset(upload_id) == 100


def send_and_commit(writer: StagingWriter, content: bytes) -> None:
    writer.write(content)
    writer.commit()


@pytest.mark.parametrize("failing", ["fdatasync", "pwrite"])
def test_what_the_disk_refuses_is_never_acknowledged(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    upload_id = staged(store, b"before")
    real = getattr(os, failing)

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with store.writer(upload_id) as writer:
        monkeypatch.setattr(os, failing, refuse)
        with pytest.raises(StorageUnavailable):
            send_and_commit(writer, b"x" * (SEGMENT_BYTES + 1))
    monkeypatch.setattr(os, failing, real)
    assert store.offset(upload_id) == 6
    with store.writer(upload_id) as writer:
        writer.write(b" after")
        writer.commit()
    assert store.read_back(upload_id).sha256.hex == sha256(b"before after")


def test_bytes_that_vanish_from_an_original_are_missed(store: FilesystemStore) -> None:
    upload_id = staged(store, b"abc")
    os.truncate(area(store, upload_id) / "data", 2)
    with pytest.raises(OriginalMissing):
        FilesystemStore(store.root).read_back(upload_id)
