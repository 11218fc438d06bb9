"""What an S3 service adds: leases across machines, tails, locks, and answers that are lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from botocore.exceptions import ClientError

from evidence.digests import SEGMENT_BYTES
from evidence.errors import OriginalMissing, StorageUnavailable, UploadGone, UploadLeased
from evidence.sm3 import SM3, new_sm3
from evidence.storage.port import StagingWriter
from evidence.storage.s3 import Lock, S3Store
from tests import s3_service
from tests.contracts.broken_way import BrokenWay, Fault
from tests.contracts.stores import sha256, staged

pytestmark = pytest.mark.grown_up
QUICK = 1.5  # seconds after which a silent writer may be followed by another


@pytest.fixture
def place() -> str:
    return s3_service.new_place()


@pytest.fixture
def machines(place: str, tmp_path: Path) -> tuple[S3Store, S3Store]:
    """Two processes in all but name: they share the bucket alone."""
    one, other = (S3Store(place, tmp_path / n, silent_seconds=QUICK) for n in "ab")
    return one, other


def whole(store: S3Store, upload_id: UUID) -> str:
    found = store.read_back(upload_id)
    assert found.differing == ()
    return found.sha256.hex


@pytest.mark.skipif(not SM3, reason="this system has no SM3 (GB/T 32905)")
def test_what_the_service_gives_back_is_digested_and_not_what_it_was_given(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, while the next piece is on its way; a byte of the second segment has changed."""
    content, upload_id = os.urandom(11_000_000), uuid4()
    store = S3Store(place, tmp_path, sm3=True)
    store.create(upload_id, len(content))
    with store.writer(upload_id) as writer:
        writer.write(content)
        writer.commit()
    pieces, given_back = store.bucket.pieces, bytearray()

    def altered(*of: Any) -> Iterator[bytes]:
        for piece in pieces(*of):
            at = 9_000_000 - len(given_back)
            given = bytearray(piece)
            if 0 <= at < len(given):
                given[at] ^= 1
            given_back.extend(given)
            yield bytes(given)

    monkeypatch.setattr(store.bucket, "pieces", altered)
    found = store.read_back(upload_id)
    assert found.sm3 is not None
    assert len(given_back) == found.size == len(content)
    assert found.differing == (1,)
    assert found.sha256.hex == sha256(bytes(given_back)) != sha256(content)
    expected = new_sm3()
    expected.update(given_back)
    assert found.sm3.hex == expected.hexdigest()


def test_an_upload_goes_on_at_another_machine_with_every_piece(
    machines: tuple[S3Store, S3Store],
) -> None:
    content = bytes(range(256)) * 90_000  # 23 MB
    upload_id = uuid4()
    machines[0].create(upload_id, len(content))
    at = 0
    for turn, length in enumerate([3, 1_000_000, 7_000_000, 10, 9_000_000, 6_039_987]):
        with machines[turn % 2].writer(upload_id) as writer:
            assert writer.offset == at
            writer.write(content[at : at + length])
            at = writer.commit()
    assert at == len(content)
    # Each commit closed a segment, and the tails went into parts whole.
    lengths = [segment.length for segment in machines[1].segments(upload_id)]
    assert lengths == [3, 1_000_000, 7_000_000, 10, SEGMENT_BYTES, 611_392, 6_039_987]
    assert whole(machines[0], upload_id) == sha256(content)


def test_a_writer_that_died_is_followed_when_its_time_is_over(
    machines: tuple[S3Store, S3Store],
) -> None:
    content = b"0123456789" * 2_000_000  # 20 MB: two parts, and a rest that is lost
    upload_id = uuid4()
    machines[0].create(upload_id, len(content))
    dead = machines[0].writer(upload_id)
    dead.__enter__().write(content[: 2 * SEGMENT_BYTES + 5])
    with pytest.raises(UploadLeased), machines[1].writer(upload_id):
        pass
    time.sleep(QUICK + 1.5)  # the service tells the age in whole seconds
    with machines[1].writer(upload_id) as writer:
        at = writer.offset
        assert at in (0, SEGMENT_BYTES, 2 * SEGMENT_BYTES)
        writer.write(content[at:])
        assert writer.commit() == len(content)
    dead.__exit__(None, None, None)
    assert whole(machines[1], upload_id) == sha256(content)


def _go_on(writer: StagingWriter, content: bytes) -> None:
    writer.write(content)
    writer.commit()


def test_a_writer_that_wakes_up_too_late_changes_nothing(
    machines: tuple[S3Store, S3Store],
) -> None:
    content, other = b"a" * (SEGMENT_BYTES * 2), b"b" * (SEGMENT_BYTES * 2)
    upload_id = uuid4()
    machines[0].create(upload_id, len(content))
    late = machines[0].writer(upload_id)
    sleeper = late.__enter__()
    sleeper.write(other[: SEGMENT_BYTES + 10])
    time.sleep(QUICK + 1.5)
    with machines[1].writer(upload_id) as writer:
        writer.write(content)
        # Its parts arrive while its successor's do, and no journal ever names them.
        with pytest.raises(UploadLeased):
            _go_on(sleeper, other[SEGMENT_BYTES + 10 :])
        writer.commit()
    late.__exit__(None, None, None)
    assert machines[0].offset(upload_id) == len(content)
    assert whole(machines[0], upload_id) == sha256(content)


def test_two_who_file_the_same_bytes_at_once_file_them_once(
    machines: tuple[S3Store, S3Store],
) -> None:
    content = b"the same" * 1000
    uploads = [staged(machine, content) for machine in machines]
    threads = [
        threading.Thread(target=lambda m=m, u=u: m.file(u, m.read_back(u)))
        for m, u in zip(machines, uploads, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for machine, upload_id in zip(machines, uploads, strict=True):
        machine.remove(upload_id)
        assert b"".join(machine.read(sha256(content))) == content
    # The data of the second is gone, that of the first is not.
    assert len(list(machines[0].bucket.names("data/"))) == 1
    assert list(machines[0].bucket.names("staging/")) == []


def test_an_original_whose_data_was_lost_is_there_again_when_it_is_filed_again(
    machines: tuple[S3Store, S3Store],
) -> None:
    """A name that leads nowhere keeps nobody out: the bytes that come next would be given up."""
    store, content = machines[0], b"lost by the service" * 1000
    for _ in range(2):
        upload_id = staged(store, content)
        store.file(upload_id, store.read_back(upload_id))
        store.remove(upload_id)
        assert b"".join(store.read(sha256(content))) == content
        store.bucket.delete_all("data/")
        with pytest.raises(OriginalMissing):
            store.size(sha256(content))


def test_what_is_given_up_at_one_machine_is_not_filed_at_another(
    machines: tuple[S3Store, S3Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = staged(machines[0], b"given up")
    read_back = machines[0].read_back(upload_id)
    delete_all = machines[1].bucket.delete_all

    def later(prefix: str) -> None:
        if prefix.startswith("data/"):
            with pytest.raises(UploadGone):
                machines[0].file(upload_id, read_back)
        delete_all(prefix)

    monkeypatch.setattr(machines[1].bucket, "delete_all", later)
    machines[1].remove(upload_id)
    assert list(machines[0].bucket.names("")) == []


def test_what_is_filed_at_one_machine_is_not_given_up_at_another(
    machines: tuple[S3Store, S3Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = staged(machines[0], b"filed")
    read_back = machines[0].read_back(upload_id)
    swap = machines[1].bucket.swap

    def later(key: str, content: bytes, etag: str) -> str | None:
        machines[0].file(upload_id, read_back)
        return swap(key, content, etag)

    monkeypatch.setattr(machines[1].bucket, "swap", later)
    machines[1].remove(upload_id)
    assert b"".join(machines[0].read(sha256(b"filed"))) == b"filed"
    assert list(machines[0].staged()) == []


def test_what_is_removed_unfiled_leaves_nothing(machines: tuple[S3Store, S3Store]) -> None:
    one = machines[0]
    half = uuid4()
    one.create(half, 100)
    with one.writer(half) as writer:
        writer.write(b"half")
        writer.commit()
    read = staged(one, b"read back and given up")
    one.read_back(read)
    for upload_id in (half, read):
        one.remove(upload_id)
    assert list(one.bucket.names("")) == []


def test_a_locked_original_cannot_be_deleted_and_is_read_through_a_delete_marker(
    tmp_path: Path,
) -> None:
    store = S3Store(s3_service.new_locked_bucket(), tmp_path, lock=Lock(1, "COMPLIANCE"))
    content = b"evidence" * 1000
    upload_id = staged(store, content)
    store.file(upload_id, store.read_back(upload_id))
    store.remove(upload_id)
    bucket = store.bucket
    (data,) = bucket.names("data/")
    version = bucket.head(f"data/{data}")["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.client.delete_object(**bucket.at(f"data/{data}"), VersionId=version)
    bucket.client.delete_object(**bucket.at(f"data/{data}"))
    assert bucket.head(f"data/{data}") is None
    assert b"".join(store.read(sha256(content))) == content
    (name,) = bucket.names("originals/")
    pointer = bucket.head(f"originals/{name}")["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.client.delete_object(**bucket.at(f"originals/{name}"), VersionId=pointer)


def test_a_name_that_leads_to_its_bytes_again_is_locked_again(tmp_path: Path) -> None:
    store = S3Store(s3_service.new_locked_bucket(), tmp_path, lock=Lock(1))
    for _ in range(2):
        upload_id = staged(store, b"lost by the service")
        store.file(upload_id, store.read_back(upload_id))
        store.remove(upload_id)
        (name,) = store.bucket.names("originals/")
        pointer = store.pointer(f"originals/{name}")
        assert pointer is not None
        for found in (
            store.bucket.head(f"originals/{name}"),
            store.bucket.head(pointer.key, pointer.version),
        ):
            assert found["ObjectLockMode"] == "GOVERNANCE"
        store.bucket.client.delete_object(
            **store.bucket.at(pointer.key),
            VersionId=pointer.version,
            BypassGovernanceRetention=True,
        )


def test_a_signed_url_hands_the_bytes_out_for_a_while(place: str, tmp_path: Path) -> None:
    store = S3Store(place, tmp_path)
    upload_id = staged(store, b"0123456789")
    store.file(upload_id, store.read_back(upload_id))
    url = store.signed_url(sha256(b"0123456789"), 60, "video/mp4", "inline")
    answer = httpx.get(url, headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.content) == (206, b"234")
    assert answer.headers["content-type"] == "video/mp4"
    assert httpx.get(url.replace("X-Amz-Signature=", "X-Amz-Signature=0")).status_code == 403


def test_what_somebody_died_removing_is_gone_and_may_begin_anew(
    machines: tuple[S3Store, S3Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = machines
    upload_id = staged(one, b"a part that waits for others")
    one.read_back(upload_id)
    removed = one.bucket.delete_all

    def die(prefix: str) -> None:
        removed(prefix)
        raise StorageUnavailable("killed")

    monkeypatch.setattr(one.bucket, "delete_all", die)
    with pytest.raises(StorageUnavailable):
        one.remove(upload_id)
    for ask in (other.offset, other.segments, other.read_back):
        with pytest.raises(UploadGone):
            ask(upload_id)
    with pytest.raises(UploadGone), other.writer(upload_id):
        pass
    other.create(upload_id, 3)
    assert other.offset(upload_id) == 0
    with other.writer(upload_id) as writer:
        writer.write(b"new")
        writer.commit()
    assert whole(other, upload_id) == sha256(b"new")
    other.remove(upload_id)
    assert list(other.bucket.names("")) == []


# ── the way to the service breaks ────────────────────────────────────────────────────────


@pytest.fixture
def way(place: str, tmp_path: Path) -> Iterator[tuple[S3Store, BrokenWay]]:
    bucket, _, endpoint = place.partition("?endpoint=")
    with BrokenWay(endpoint) as broken:
        # One attempt each, so that every fault is met by the store itself.
        url = f"{bucket}?endpoint={broken.url}"
        store = S3Store(url, tmp_path, silent_seconds=QUICK, attempts=1)
        yield store, broken


CONTENT = b"what the recorder saw" * 401_000  # 8.4 MB: a part and a tail


def _do(store: S3Store, upload_id: UUID) -> int:
    """Bring an upload to its end as the server does; how often something had to be repeated."""
    return _until_done(lambda: _file(store, upload_id)) + _until_done(
        lambda: store.remove(upload_id)
    )


def _file(store: S3Store, upload_id: UUID) -> None:
    """From wherever it stands."""
    store.create(upload_id, len(CONTENT))
    if store.offset(upload_id) < len(CONTENT):
        with store.writer(upload_id) as writer:
            writer.write(CONTENT[writer.offset :])
            writer.commit()
    read_back = store.read_back(upload_id)
    assert (read_back.sha256.hex, read_back.differing) == (sha256(CONTENT), ())
    store.file(upload_id, read_back)


def _until_done(act: Callable[[], Any], seconds: float = 20) -> int:
    """How often it had to be tried again."""
    until, failures = time.monotonic() + seconds, 0
    while True:
        try:
            act()
        except (StorageUnavailable, UploadLeased):
            assert time.monotonic() < until
            failures += 1
            time.sleep(0.2)
        else:
            return failures


@pytest.mark.parametrize(
    ("fault", "every"),
    [
        (Fault.REFUSED, 4),
        (Fault.LOST, 2),
        (Fault.DENIED, 4),
        (Fault.CUT, 8),
        (Fault.HANGS, 16),
    ],
)
def test_whatever_answer_is_lost_the_original_is_there_once(
    way: tuple[S3Store, BrokenWay], fault: Fault, every: int
) -> None:
    store, broken = way
    upload_id, count = uuid4(), 0
    # First without a fault, to know how many requests there are; then each of them fails once.
    _do(store, upload_id)
    requests = broken.seen
    for place in range(0, requests, every):
        again = uuid4()
        broken.order(fault, place)
        count += _do(store, again)
        broken.order(None, 0)
        assert list(store.originals()) == [sha256(CONTENT)]
        assert b"".join(store.read(sha256(CONTENT), 8_000_000)) == CONTENT[8_000_000:]
        assert list(store.staged()) == []
    assert count > 0
    assert len(list(store.bucket.names("data/"))) == 1
