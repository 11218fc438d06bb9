"""Three digests equal and filed write-once, or quarantine; the wearer by the ledger alone."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.errors import FixityMismatch
from evidence.exhibits import acquisition, fixity
from evidence.exhibits.acquisition import seal
from evidence.exhibits.fixity import Check
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit, ExhibitState, Fixity
from evidence.exhibits.receipt import verify_receipt
from evidence.people.models import Officer, Unit, UnitKind
from evidence.recorders.models import Checkout, Recorder
from evidence.recorders.names import recorder_key
from evidence.storage.memory import MemoryStore
from evidence.storage.port import ReadBack
from evidence.uploads.models import UploadState
from tests.conftest import SteppingClock
from tests.unit.receiving import SIGNER, Receiving


@pytest.fixture
def receiving(session: Session, store: MemoryStore, clock: SteppingClock) -> Receiving:
    return Receiving(session, store, clock)


@pytest.mark.parametrize("content", [b"", b"one byte short of nothing"])
def test_three_equal_digests_make_a_sealed_exhibit_with_a_receipt(
    receiving: Receiving, content: bytes
) -> None:
    upload = receiving.upload(content, filename="a.mp4")
    exhibit = receiving.seal(upload)
    digest = hashlib.sha256(content).hexdigest()
    assert exhibit.state is ExhibitState.SEALED
    points = (exhibit.sha256_claim, exhibit.sha256_received, exhibit.sha256_read_back)
    assert points == (digest, digest, digest)
    assert b"".join(receiving.store.read(digest)) == content
    kinds = receiving.events(exhibit)
    assert [kind for kind, _ in kinds] == ["exhibit:acquired", "exhibit:sealed"]
    assert kinds[1][1]["sha256"] == digest
    assert upload.receipt
    verify_receipt(upload.receipt, [SIGNER.verifier_key], sha256=digest, size=len(content))


def test_a_source_that_claims_no_digest_is_sealed_and_flagged(receiving: Receiving) -> None:
    exhibit = receiving.seal(receiving.upload(b"abc", sha256_claim=None))
    assert exhibit.state is ExhibitState.SEALED
    assert Flag.DIGEST_UNCLAIMED in exhibit.flags


@pytest.mark.parametrize(
    ("change", "differing", "differed"),
    [
        ({"sha256_claim": "0" * 64}, (), ["claimed"]),
        ({}, (0,), ["received"]),
        ({"length": 4}, (), ["length"]),
        ({"length": 2, "sha256_claim": "0" * 64}, (0,), ["length", "received", "claimed"]),
    ],
)
def test_what_differs_goes_to_quarantine_and_the_event_says_which(
    receiving: Receiving, change: dict[str, Any], differing: Sequence[int], differed: list[str]
) -> None:
    upload = receiving.upload(b"abc", **change)
    exhibit = receiving.seal(upload, differing)
    assert exhibit.state is ExhibitState.QUARANTINED
    assert (upload.state, upload.receipt) == (UploadState.QUARANTINED, None)
    kind, details = receiving.events(exhibit)[-1]
    assert (kind, details["differed"]) == ("exhibit:quarantined", differed)
    assert upload.outcome is not None
    assert upload.outcome["differed"] == differed
    assert b"".join(receiving.store.read_quarantined(exhibit.id)) == b"abc"
    assert list(receiving.store.originals()) == []


def test_the_same_bytes_again_are_the_same_original(receiving: Receiving) -> None:
    first = receiving.seal(receiving.upload(b"abc", filename="a.mp4"))
    again = receiving.upload(b"abc", filename="b.mp4")
    assert receiving.seal(again) is first
    assert again.state is UploadState.DUPLICATE
    assert again.receipt is not None
    assert [kind for kind, _ in receiving.events(first)] == [
        "exhibit:acquired", "exhibit:sealed", "exhibit:received_again",
    ]  # fmt: skip
    assert receiving.session.scalars(select(Exhibit)).all() == [first]


def test_the_same_bytes_as_in_quarantine_are_judged_by_their_own_claim(
    receiving: Receiving,
) -> None:
    lie = receiving.seal(receiving.upload(b"abc", sha256_claim="0" * 64))
    truth = receiving.seal(receiving.upload(b"abc"))
    assert (lie.state, truth.state) == (ExhibitState.QUARANTINED, ExhibitState.SEALED)


def test_bytes_that_the_store_has_lost_are_filed_again_from_the_next_copy(
    receiving: Receiving,
) -> None:
    exhibit = receiving.seal(receiving.upload(b"abc"))
    # No store has a way to do this.
    del receiving.store._originals[exhibit.sha256]
    receiving.seal(receiving.upload(b"abc"))
    assert b"".join(receiving.store.read(exhibit.sha256)) == b"abc"


def test_no_receipt_is_given_for_an_original_of_another_length(receiving: Receiving) -> None:
    exhibit = receiving.seal(receiving.upload(b"abc"))
    exhibit.size = 4
    again = receiving.upload(b"abc")
    with pytest.raises(FixityMismatch):
        receiving.seal(again)
    assert again.receipt is None


def test_sealing_again_says_the_same(receiving: Receiving) -> None:
    upload = receiving.upload(b"abc")
    read_back = receiving.store.read_back(upload.id)
    first = seal(receiving.session, receiving.store, SIGNER, upload, read_back)
    assert seal(receiving.session, receiving.store, SIGNER, upload, read_back) is first
    assert len(receiving.events(first)) == 2


@pytest.fixture
def ledger(session: Session, clock: SteppingClock) -> dict[str, UUID]:
    """HD-012 is the street's; this morning its officer had it, in the afternoon another unit's."""
    street, other = (Unit(name=n, kind=UnitKind.INSPECTION) for n in ("城关所", "价监股"))
    session.add_all([street, other])
    session.flush()
    recorder = Recorder(number="HD-012", key=recorder_key("HD-012"), unit_id=street.id)
    morning = Officer(name="张三", badge="4304001", unit_id=street.id)
    afternoon = Officer(name="李四", badge="4304002", unit_id=other.id)
    session.add_all([recorder, morning, afternoon])
    session.flush()
    noon = clock.now - dt.timedelta(hours=4)
    for officer, begin, end in (
        (morning, noon - dt.timedelta(hours=4), noon),
        (afternoon, noon, noon + dt.timedelta(hours=2)),
    ):
        session.add(
            Checkout(
                recorder_id=recorder.id,
                officer_id=officer.id,
                unit_id=officer.unit_id,
                checked_out_at=begin,
                checked_in_at=end,
            )
        )
    session.flush()
    return {
        "morning": morning.id, "afternoon": afternoon.id, "recorder": recorder.id,
        "street": street.id, "other": other.id,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("hours_ago", "wearer", "unit"),
    [(5, "morning", "street"), (3, "afternoon", "other"), (1, None, "street")],
)
def test_the_wearer_is_the_ledgers_whatever_the_name_says(
    receiving: Receiving, ledger: dict[str, UUID], hours_ago: int, wearer: str | None, unit: str
) -> None:
    at = receiving.clock.now - dt.timedelta(hours=hours_ago)
    exhibit = receiving.seal(
        receiving.upload(
            b"abc",
            filename="ZFY_HD012@4304999_20200101_000000_0001.mp4",
            recorder_claim="hd012",
            recorded_at_claim=at.isoformat(),
        )
    )
    assert exhibit.recorder_id == ledger["recorder"]
    assert exhibit.officer_id == (ledger[wearer] if wearer else None)
    assert exhibit.unit_id == ledger[unit]
    assert (Flag.WEARER_UNKNOWN in exhibit.flags) is (wearer is None)


def test_a_recorder_nobody_knows_leaves_the_exhibit_without_wearer(receiving: Receiving) -> None:
    exhibit = receiving.seal(receiving.upload(b"abc", recorder_claim="XX-999"))
    assert exhibit.recorder_id is None
    assert {Flag.RECORDER_UNKNOWN, Flag.WEARER_UNKNOWN} <= set(exhibit.flags)
    assert exhibit.recorder_claim == "XX-999"


def test_one_name_for_two_recordings_of_a_recorder_is_flagged(
    receiving: Receiving, ledger: dict[str, UUID]
) -> None:
    first, second = (
        receiving.seal(receiving.upload(content, filename="0001.mp4", recorder_claim="HD-012"))
        for content in (b"abc", b"abd")
    )
    assert Flag.NAME_COLLISION not in first.flags
    assert Flag.NAME_COLLISION in second.flags


def test_bytes_that_another_sealed_while_they_were_looked_for_are_received_again(
    receiving: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = receiving.seal(receiving.upload(b"abc"))
    look, looks = acquisition._sealed_before, []

    def look_too_early(session: Session, read_back: ReadBack) -> Exhibit | None:
        looks.append(read_back)
        return look(session, read_back) if len(looks) > 1 else None

    monkeypatch.setattr(acquisition, "_sealed_before", look_too_early)
    again = receiving.upload(b"abc")
    assert receiving.seal(again) is first
    assert (again.state, again.exhibit_id) == (UploadState.DUPLICATE, first.id)
    monkeypatch.undo()
    # What was begun is gone without a trace, its label too.
    assert receiving.session.scalars(select(Exhibit)).all() == [first]
    assert receiving.seal(receiving.upload(b"abd")).label == "E2023-000002"


def test_what_came_again_while_the_first_was_found_altered_is_an_exhibit_of_its_own(
    receiving: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its receipt would clear the card, and no row would lead to the only good bytes."""
    content = b"as it was recorded"
    first = receiving.seal(receiving.upload(content))
    receiving.store._originals[first.sha256] = b"as it was rewritten"
    original = fixity.sealed(receiving.session, first)
    found = Check(fixity=Fixity.ALTERED, sha256="0" * 64, size=19)

    def wait(session: Session, *subjects: UUID) -> None:
        monkeypatch.undo()
        fixity.record(session, receiving.store, original, found)
        session.flush()

    again = receiving.upload(content)
    monkeypatch.setattr(acquisition, "take_turn", wait)
    second = receiving.seal(again)
    assert (first.state, second.state) == (ExhibitState.QUARANTINED, ExhibitState.SEALED)
    assert again.state is UploadState.SEALED
    assert b"".join(receiving.store.read(second.sha256)) == content
    assert b"".join(receiving.store.read_quarantined(first.id)) == b"as it was rewritten"
