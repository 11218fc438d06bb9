"""A job that fails is kept until it succeeds, where an administrator sees it."""

from __future__ import annotations

import pickle
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from huey.serializer import SignedSerializer

from evidence.errors import StorageUnavailable
from server import jobs, troubles
from server.extensions import db
from tests.api.handed_out import ask
from tests.api.office import Office
from tests.bureau import PASSWORD, Bureau, Clients
from tests.conftest import SteppingClock
from tests.faults.failing import work_off, work_off_with_retries


def _fails(*_: object) -> None:
    raise StorageUnavailable("The storage service cannot be reached. Try again.")


def test_what_failed_is_shown_counted_waited_for_and_forgotten(
    app: Flask,
    bureau: Bureau,
    as_role: Clients,
    clock: SteppingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload_id = uuid4()
    with app.app_context():
        with monkeypatch.context() as failing:
            failing.setattr("server.sealing.seal_upload", _fails)
            jobs.seal(upload_id)
            work_off(app)
        (trouble,) = troubles.newest(db.session())
        assert (trouble.job, trouble.subject_id) == ("seal", upload_id)
        assert trouble.attempts >= 1
        assert trouble.problem.startswith("StorageUnavailable: The storage service")
        assert troubles.due(db.session(), "seal", [upload_id]) == []
        clock.step(minutes=3)
        assert troubles.due(db.session(), "seal", [upload_id]) == [upload_id]
        db.session.rollback()
    assert "zhenglian_jobs_failing 1.0" in app.test_client().get("/metrics").text
    page = _administration(app)
    assert "The storage service cannot be reached" in page
    assert str(upload_id) in page
    with app.app_context():
        jobs.seal(upload_id)  # of an upload that is no longer there: nothing to do is success
        work_off(app)
        assert troubles.newest(db.session()) == []
    assert "Nothing has failed." in _administration(app)


def _administration(app: Flask) -> str:
    browser = app.test_client()
    browser.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    token = browser.get("/login").text.split('name="csrf_token" value="')[1].split('"')[0]
    said = {"username": "administrator", "password": PASSWORD, "csrf_token": token}
    assert browser.post("/login", data=said).status_code == 302
    return browser.get("/administration").text


def test_it_is_tried_again_more_and_more_seldom(app: Flask, clock: SteppingClock) -> None:
    subject, waits = uuid4(), []
    with app.app_context():
        for _ in range(12):
            troubles.note("seal", subject, ValueError("no"))
            (trouble,) = troubles.newest(db.session())
            waits.append((trouble.due_at - trouble.last_at).total_seconds())
            db.session.rollback()
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == 120


def test_a_dossier_that_is_given_up_says_so_itself_and_nothing_promises_another_attempt(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.dossiers.make", _fails)
    dossier = ask(office, exhibit=str(office.exhibit()))
    with office.app.app_context():
        work_off(office.app)
        assert [trouble.job for trouble in troubles.newest(db.session())] == ["make_dossier"]
        db.session.rollback()
        jobs.make_dossier(UUID(dossier["id"]))
        work_off_with_retries(office.app)
        assert troubles.newest(db.session()) == []
    told = office.client("handler").get(f"/api/v1/dossiers/{dossier['id']}").json
    assert told["state"] == "failed"
    assert told["problem"].startswith("The storage service cannot be reached")


_done: list[str] = []


def do(what: str) -> None:
    _done.append(what)


class Planted:
    """What a stranger who reaches the queue would have the worker do."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return do, ("it was run",)


def test_a_job_that_is_not_ours_is_not_even_unpacked(app: Flask) -> None:
    planted = pickle.dumps(Planted())
    pickle.loads(planted)  # as a queue that trusts would
    assert _done.pop() == "it was run"
    queue = jobs.queue_of(app)
    stranger = SignedSerializer("another bureau's key, of no use here", salt="zhenglian jobs")
    for message in (planted, stranger.serialize(Planted()), b""):
        queue.storage.enqueue(message)
        with pytest.raises(ValueError):
            queue.dequeue()
    assert (_done, queue.pending_count()) == ([], 0)
