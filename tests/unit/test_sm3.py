"""SM3 (GB/T 32905) beside SHA-256, wherever a digest of an original is taken."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import sm3
from evidence.custody.models import CustodyEvent
from evidence.errors import MalformedUploadMetadata
from evidence.exhibits import fixity
from evidence.exhibits.contradictions import Member, contradictions
from evidence.exhibits.models import Exhibit, ExhibitState, Fixity
from evidence.exhibits.timeline import timeline
from evidence.sm3 import SM3
from evidence.storage.filesystem import FilesystemStore
from evidence.storage.memory import MemoryStore
from evidence.uploads.headers import metadata
from tests.conftest import SteppingClock
from tests.contracts.stores import open_store, staged
from tests.unit.receiving import Receiving

pytestmark = pytest.mark.skipif(not SM3, reason="this system has no SM3 (GB/T 32905)")
CONTENT = b"abc"
# GB/T 32905-2016, appendix A.1.
VALUE = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


@pytest.fixture
def receiving(session: Session, store: MemoryStore, clock: SteppingClock) -> Receiving:
    return Receiving(session, store, clock)


def details(session: Session, exhibit: Exhibit, kind: str) -> dict[str, object]:
    (canonical,) = session.scalars(
        select(CustodyEvent.canonical).where(
            CustodyEvent.subject_id == exhibit.id, CustodyEvent.kind == kind
        )
    )
    found: dict[str, object] = json.loads(canonical)["details"]
    return found


@pytest.mark.parametrize("backend", ["memory", "filesystem"])
@pytest.mark.parametrize("length", [0, 3, 5_000_000, 20_000_000])
def test_every_store_takes_it_of_what_it_reads_back(
    backend: str, length: int, tmp_path: Path
) -> None:
    content = bytes(range(251)) * (length // 251) + b"x" * (length % 251)
    store = open_store(backend, tmp_path)
    upload = staged(store, content, pieces=700_001)
    found = store.read_back(upload).sm3
    assert found is not None
    assert found.hex == hashlib.new("sm3", content).hexdigest()
    # Another process, which has no running read-back, says the same.
    if backend == "filesystem":
        again = FilesystemStore(tmp_path / "store").read_back(upload).sm3
        assert again == found


def test_a_store_told_not_to_takes_none(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path / "store", sm3=False)
    assert store.read_back(staged(store, CONTENT)).sm3 is None


def test_it_is_in_the_row_the_event_and_the_receipt(receiving: Receiving, session: Session) -> None:
    upload = receiving.upload(CONTENT, sm3_claim=VALUE)
    exhibit = receiving.seal(upload)
    assert exhibit.sm3 == VALUE
    said = details(session, exhibit, "exhibit:sealed")
    assert (said["sm3"], said["sm3_claim"]) == (VALUE, VALUE)
    assert f"\nsm3 {VALUE}\n" in str(upload.receipt)


def test_another_sm3_than_the_source_claims_is_a_quarantine(
    receiving: Receiving, session: Session
) -> None:
    exhibit = receiving.seal(receiving.upload(CONTENT, sm3_claim="0" * 64))
    assert exhibit.state is ExhibitState.QUARANTINED
    said = details(session, exhibit, "exhibit:quarantined")
    assert (said["differed"], said["sm3_read_back"], said["sm3_claim"]) == (
        ["claimed"],
        VALUE,
        "0" * 64,
    )


def test_an_original_sealed_without_it_gets_it_when_it_is_read_again(
    receiving: Receiving, session: Session, store: MemoryStore
) -> None:
    exhibit = receiving.seal(receiving.upload(CONTENT))
    exhibit.sm3 = None
    session.flush()
    original = fixity.sealed(session, exhibit)
    for _ in range(2):
        fixity.record(session, store, original, fixity.read_again(store, original))
    session.flush()
    assert exhibit.sm3 == VALUE
    assert details(session, exhibit, "exhibit:digested")["sm3"] == VALUE


def test_a_row_with_another_sm3_contradicts_its_events(
    receiving: Receiving, session: Session
) -> None:
    exhibit = receiving.seal(receiving.upload(CONTENT))
    exhibit.sm3 = "0" * 64
    events = [entry.event for entry in timeline(session, [exhibit.id])]
    assert Member.SM3 in {c.member for c in contradictions(exhibit, events)}


def test_reading_again_compares_both_digests(
    receiving: Receiving, session: Session, store: MemoryStore
) -> None:
    exhibit = receiving.seal(receiving.upload(CONTENT))
    exhibit.sm3 = "0" * 64
    session.flush()
    found = fixity.read_again(store, fixity.sealed(session, exhibit))
    assert found.fixity is Fixity.ALTERED


@pytest.mark.parametrize("value", ["short", "g" * 64, VALUE + "0"])
def test_a_claim_that_is_no_digest_is_refused(value: str) -> None:
    import base64

    encoded = base64.b64encode(value.encode()).decode()
    with pytest.raises(MalformedUploadMetadata, match="sm3"):
        metadata(f"sm3 {encoded}")


def _pieces(content: bytes) -> list[bytes | bytearray | memoryview]:
    return [
        content[:1],
        bytearray(content[1:100]),
        memoryview(bytearray(content))[100:4096],
        memoryview(content)[4096:70_000],
        bytearray(),
        content[70_000:],
    ]


@pytest.mark.parametrize("source", [sm3._from_libgcrypt, sm3._from_openssl])
def test_each_library_says_the_same_of_any_pieces_and_goes_on_after_it_was_asked(
    source: Callable[[], Callable[[], sm3.RunningSm3]],
) -> None:
    content = random.Random(3).randbytes(100_000)
    running = source()()
    for piece in _pieces(content):
        running.update(piece)
    twin = running.copy()
    assert running.digest() == hashlib.new("sm3", content).digest()
    running.update(b"more")
    assert running.hexdigest() == hashlib.new("sm3", content + b"more").hexdigest()
    assert twin.hexdigest() == hashlib.new("sm3", content).hexdigest()


def test_a_library_that_is_not_there_or_digests_wrongly_is_passed_over() -> None:
    def absent() -> Callable[[], sm3.RunningSm3]:
        raise OSError

    def wrong() -> Callable[[], sm3.RunningSm3]:
        return lambda: cast(sm3.RunningSm3, hashlib.sha256())

    assert sm3._first_right(absent, wrong) is None
    found = sm3._first_right(absent, wrong, sm3._from_openssl)
    assert found is not None
    running = found()
    running.update(CONTENT)
    assert running.hexdigest() == VALUE
