"""Staging areas are taken away when nobody needs them, and never from under an upload."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient

from evidence.turns import take_turn
from evidence.uploads.models import Upload, UploadState
from server import clearing, intake, sweeping
from server.extensions import store
from tests.api.office import Office
from tests.api.tus import UPLOADS, metadata
from tests.conftest import SteppingClock

HEADERS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def officer(office: Office) -> FlaskClient:
    return office.client("officer")


def _create(officer: FlaskClient, event_id: UUID) -> str:
    claims = metadata(filename="a.mp4", event_id=str(event_id))
    asked = {**HEADERS, "Upload-Length": "3", "Upload-Metadata": claims}
    created = officer.post(UPLOADS, headers=asked)
    assert created.status_code == 201, created.data
    return str(created.headers["Location"])


def _offset(officer: FlaskClient, where: str) -> tuple[int, str | None]:
    answer = officer.head(where, headers=HEADERS)
    return answer.status_code, answer.headers.get("Upload-Offset")


def _sweep(office: Office) -> set[UUID]:
    """What is staged afterwards."""
    with office.app.app_context():
        sweeping.sweep()
        return set(store().staged())


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass that no clock on the wall tells."""
    now = 1000.0
    monkeypatch.setattr(clearing.time, "monotonic", lambda: now)

    def pass_by(seconds: float) -> None:
        nonlocal now
        now += seconds

    return pass_by


def test_an_area_without_a_row_is_abandoned_after_a_minute_by_no_clock_that_is_set(
    office: Office, clock: SteppingClock, later: Callable[[float], None]
) -> None:
    alone = uuid4()
    with office.app.app_context():
        store().create(alone, 3)
    assert _sweep(office) == {alone}
    clock.step(hours=2)
    later(59)
    assert _sweep(office) == {alone}
    later(2)
    assert _sweep(office) == set()
    _sweep(office)
    assert alone not in clearing._first_seen  # it is not kept in mind for ever


@pytest.mark.parametrize("before", ["nothing", "terminated"])
def test_an_area_that_was_taken_away_before_its_row_was_there_is_made_once_more(
    office: Office, officer: FlaskClient, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    event_id, reserved = uuid4(), []
    if before == "terminated":
        where = _create(officer, event_id)
        assert officer.delete(where, headers=HEADERS).status_code == 204
    reserve = intake._reserve

    def taken_away_once(asked: Upload) -> None:
        reserve(asked)
        reserved.append(asked.id)
        if len(reserved) == 1:
            clearing.remove(asked.id)

    monkeypatch.setattr(intake, "_reserve", taken_away_once)
    where = _create(officer, event_id)
    assert len(reserved) == 2
    assert _offset(officer, where) == (200, "0")
    assert len(_sweep(office)) == 1


def test_an_area_is_kept_for_an_upload_that_somebody_is_about_to_open(
    office: Office, officer: FlaskClient
) -> None:
    where = _create(officer, uuid4())
    upload_id = UUID(where.rsplit("/", 1)[1])
    with office.writing() as session:
        session.get_one(Upload, upload_id).state = UploadState.EXPIRED
    opened = threading.Event()

    def remove() -> None:
        opened.wait(30)
        with office.app.app_context():
            clearing.remove(upload_id)

    with ThreadPoolExecutor(1) as sweep:
        with office.writing() as session:
            take_turn(session, upload_id)
            removed = sweep.submit(remove)
            opened.set()
            with pytest.raises(TimeoutError):
                removed.result(1)  # it waits for the turn
            session.get_one(Upload, upload_id).state = UploadState.RECEIVING
        removed.result(30)
    assert _offset(officer, where) == (200, "0")
    assert _sweep(office) == {upload_id}


def test_what_was_terminated_gives_its_room_back_at_once(
    office: Office, officer: FlaskClient
) -> None:
    where = _create(officer, uuid4())
    assert officer.delete(where, headers=HEADERS).status_code == 204
    with office.app.app_context():
        assert list(store().staged()) == []
    assert _offset(officer, where)[0] == 410
