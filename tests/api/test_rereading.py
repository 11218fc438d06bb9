"""Originals are read again by the worker; what was altered on the disk raises the alarm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from evidence.errors import StorageUnavailable
from evidence.exhibits import fixity
from evidence.exhibits.models import Exhibit, Fixity, ReadingAsked
from evidence.storage.memory import MemoryStore
from server import jobs, rereading, sweeping, troubles
from server.extensions import db, store
from server.rereading import GivenUp, Rereading
from tests import databases
from tests.api.office import Office
from tests.api.tus import Tus, metadata
from tests.bureau import PASSWORD
from tests.conftest import SteppingClock
from tests.contracts.stores import sha256
from tests.faults.failing import failing_queue, work_off
from tests.faults.test_kill import until
from tests.live import LiveServer


def alter(app: Flask, exhibit: UUID, office: Office, content: bytes) -> None:
    with app.app_context():
        held = store()
        assert isinstance(held, MemoryStore)
        held._originals[office.client("supervisor").get(path(exhibit)).json["sha256"]] = content


def path(exhibit: UUID) -> str:
    return f"/api/v1/exhibits/{exhibit}"


def check(app: Flask, exhibit: UUID) -> Fixity:
    with app.app_context():
        return rereading.check_exhibit(exhibit)


def test_an_altered_original_is_in_quarantine_and_no_longer_handed_out(office: Office) -> None:
    exhibit = office.exhibit(b"as it was recorded")
    alter(office.app, exhibit, office, b"as it was rewritten")
    assert check(office.app, exhibit) is Fixity.ALTERED
    supervisor = office.client("supervisor")
    told = supervisor.get(path(exhibit)).json
    assert (told["state"], told["fixity"]) == ("quarantined", "altered")
    for way in ("/original", "/original?play=1"):
        assert supervisor.get(path(exhibit) + way).json["code"] == "exhibit_quarantined"
    (listed,) = supervisor.get("/api/v1/exhibits?fixity=altered").json["items"]
    assert listed["id"] == str(exhibit)
    assert supervisor.get("/api/v1/exhibits?fixity=intact").json["items"] == []
    assert office.kinds(exhibit).count("exhibit:altered") == 1


def test_nothing_is_attached_that_was_found_altered(office: Office) -> None:
    office.file_case()
    exhibit = office.exhibit(b"as it was recorded")
    alter(office.app, exhibit, office, b"")
    check(office.app, exhibit)
    answer = office.client("handler").post(
        f"{path(exhibit)}/links", json={"case_number": "衡东市监罚字〔2023〕451号"}
    )
    assert answer.json["code"] == "exhibit_quarantined"


def test_what_is_intact_is_locked_again_and_what_is_altered_is_not(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[str] = []
    monkeypatch.setattr(MemoryStore, "lock_again", lambda _, digest: locked.append(digest))
    intact, altered = office.exhibit(b"as it was"), office.exhibit(b"as it was recorded")
    alter(office.app, altered, office, b"as it was rewritten")
    for exhibit in (intact, altered):
        check(office.app, exhibit)
    assert locked == [sha256(b"as it was")]


def test_a_reading_counts_also_where_the_lock_is_refused_and_the_log_says_so(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(MemoryStore, "lock_again", _away)
    exhibit = office.exhibit()
    assert check(office.app, exhibit) is Fixity.INTACT
    assert f"the original of {exhibit} could not be locked anew" in caplog.text
    assert office.client("supervisor").get(path(exhibit)).json["fixity"] == "intact"


def test_what_was_set_aside_is_locked_again_and_what_cannot_be_is_said(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    altered = {office.exhibit(content): content for content in (b"one", b"other")}
    for exhibit, content in altered.items():
        alter(office.app, exhibit, office, content + b" rewritten")
        check(office.app, exhibit)
    locked: list[UUID] = []

    def lock(_: MemoryStore, exhibit_id: UUID) -> None:
        if not locked:
            locked.append(exhibit_id)
            raise StorageUnavailable("away")
        locked.append(exhibit_id)

    monkeypatch.setattr(MemoryStore, "lock_quarantined", lock)
    with office.app.app_context():
        assert rereading.lock_quarantined() == 1
    assert set(locked) == set(altered)
    assert f"{locked[0]}, set aside, could not be locked anew: away" in caplog.text


def test_the_reading_is_as_slow_as_it_is_told() -> None:
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return False

    pace = rereading._at_most(1000, wait)
    for _ in range(3):
        pace(1000)
    assert [round(w) for w in waited] == [1, 2, 3]


def test_a_worker_that_ends_gives_the_reading_up() -> None:
    with pytest.raises(GivenUp):
        rereading._at_most(1, lambda _: True)(100)


def test_one_is_read_at_once_and_the_next_when_its_share_of_the_period_is_over(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        office.exhibit()
    moment = [1000.0]
    monkeypatch.setattr(rereading.time, "monotonic", lambda: moment[0])
    turns = Rereading(lambda _: False)
    with office.app.app_context():
        assert [turns.run_once(), turns.run_once()] == [1, 0]
        half = rereading.settings().fixity_period.total_seconds() / 2
        moment[0] += half - 1
        assert turns.run_once() == 0
        moment[0] += 1
        assert turns.run_once() == 1


def ask(app: Flask, exhibit: UUID) -> None:
    with app.app_context():
        jobs.read_again(exhibit)


def waiting(app: Flask) -> list[str]:
    return [task.name for task in jobs.queue_of(app).pending()]


def sweep(app: Flask) -> None:
    with app.app_context():
        sweeping.sweep()


def asked(office: Office) -> int:
    with office.writing() as session:
        return session.scalar(select(func.count()).select_from(ReadingAsked)) or 0


def test_a_reading_that_was_asked_for_outlives_the_worker_that_took_it(
    office: Office, clock: SteppingClock
) -> None:
    exhibit = office.exhibit()
    ask(office.app, exhibit)
    ask(office.app, exhibit)
    while jobs.queue_of(office.app).dequeue() is not None:
        pass  # taken by a worker that was killed then
    sweep(office.app)
    assert waiting(office.app) == []  # whoever took it may still be at it
    clock.step(minutes=1)
    sweep(office.app)
    assert "read_again" not in waiting(office.app)  # another worker may be reading 64 GB
    while jobs.queue_of(office.app).dequeue() is not None:
        pass
    clock.step(minutes=10)
    sweep(office.app)
    assert waiting(office.app).count("read_again") == 1
    work_off(office.app)
    assert asked(office) == 0
    assert office.client("supervisor").get(path(exhibit)).json["fixity"] == "intact"


def test_one_that_no_queue_takes_is_read_when_the_queue_is_back(
    office: Office, clock: SteppingClock
) -> None:
    exhibit = office.exhibit()
    with failing_queue(office.app, "lost"):
        ask(office.app, exhibit)
    clock.step(minutes=11)
    sweep(office.app)
    work_off(office.app)
    assert asked(office) == 0


def test_one_that_the_store_refused_is_tried_again_and_leaves_the_list_when_it_is_read(
    office: Office, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = office.exhibit(), office.exhibit()
    with monkeypatch.context() as away:
        away.setattr(MemoryStore, "read_again", _away)
        away.setattr(MemoryStore, "check", _away)
        for exhibit in (first, second):
            ask(office.app, exhibit)
        work_off(office.app)
    assert (troubled(office), asked(office)) == ({first, second}, 2)
    clock.step(seconds=10)
    sweep(office.app)
    work_off(office.app)
    assert (troubled(office), asked(office)) == (set(), 0)


def test_its_turn_comes_before_it_is_tried_again_and_that_will_do(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    exhibit = office.exhibit()
    with monkeypatch.context() as away:
        away.setattr(MemoryStore, "read_again", _away)
        away.setattr(MemoryStore, "check", _away)
        ask(office.app, exhibit)
        work_off(office.app)
    assert (troubled(office), asked(office)) == ({exhibit}, 1)
    with office.app.app_context():
        assert Rereading(lambda _: False).run_once() == 1
    assert (troubled(office), asked(office)) == (set(), 0)


def test_who_asks_while_it_is_being_read_is_answered_by_another_reading(
    office: Office, clock: SteppingClock
) -> None:
    exhibit = office.exhibit(b"as it was recorded")
    with office.writing() as session:
        original = fixity.sealed(session, session.get_one(Exhibit, exhibit))
    clock.step(seconds=20)
    ask(office.app, exhibit)
    with office.app.app_context():
        rereading.check_now(original)
    assert asked(office) == 1
    work_off(office.app)
    assert asked(office) == 0


def test_what_was_found_altered_is_not_asked_for_any_more(office: Office) -> None:
    exhibit = office.exhibit(b"as it was recorded")
    alter(office.app, exhibit, office, b"as it was rewritten")
    check(office.app, exhibit)
    ask(office.app, exhibit)
    work_off(office.app)
    assert asked(office) == 0


def _away(*_: object) -> Iterator[bytes]:
    raise StorageUnavailable("The storage service cannot be reached. Try again.")


def troubled(office: Office) -> set[UUID]:
    with office.app.app_context():
        found = troubles.newest(db.session())
        assert {trouble.job for trouble in found} <= {"read_again"}
        return {trouble.subject_id for trouble in found}


def test_an_altered_one_that_cannot_be_set_aside_keeps_no_other_from_being_read(
    office: Office, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered = office.exhibit(b"as it was recorded")
    clock.step(minutes=1)
    intact = office.exhibit()
    alter(office.app, altered, office, b"as it was rewritten")
    clock.step(days=1)
    moment = [1000.0]
    monkeypatch.setattr(rereading.time, "monotonic", lambda: moment[0])
    turns = Rereading(lambda _: False)

    def fixity_of(exhibit: UUID) -> Fixity:
        with office.writing() as session:
            return session.get_one(Exhibit, exhibit).fixity

    with office.app.app_context():
        with monkeypatch.context() as refused:
            refused.setattr(MemoryStore, "set_aside", _away)
            with pytest.raises(StorageUnavailable):
                turns.run_once()
            moment[0] += 90 * 86400 / 2
            assert turns.run_once() == 1
        assert (fixity_of(altered), fixity_of(intact)) == (Fixity.UNCHECKED, Fixity.INTACT)
        moment[0] += 90 * 86400
        assert turns.run_once() == 1
    assert fixity_of(altered) is Fixity.ALTERED


def log_in(app: Flask, who: str) -> FlaskClient:
    browser = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/login").text)
    assert token
    said = {"username": who, "password": PASSWORD, "csrf_token": token[1]}
    assert browser.post("/login", data=said).status_code == 302
    return browser


def test_the_state_of_the_corpus_is_for_those_who_audit(app: Flask) -> None:
    assert log_in(app, "supervisor").get("/fixity").status_code == 200
    assert log_in(app, "handler").get("/fixity").status_code == 403
    assert app.test_client().get("/fixity").status_code in (302, 401)


@pytest.mark.one_box("an original of S3 cannot be written over")
def test_a_byte_changed_on_the_disk_is_found_by_the_worker_alone(own_server: LiveServer) -> None:
    own_server.start()
    content = b"0123456789" * 1000
    tus = Tus(own_server)
    where = tus.create(len(content), {"Upload-Metadata": metadata(filename="a.mp4")})
    tus.send(where, 0, content)
    until(lambda: tus.state(where, 1)["state"] == "sealed")
    exhibit = tus.state(where, 1)["exhibit"]
    own_server.kill_worker()
    digest = sha256(content)
    original: Path = own_server.data / "store" / "originals" / digest[:2] / digest[2:4] / digest
    original.chmod(0o640)
    original.write_bytes(content[:5000] + b"X" + content[5001:])
    with databases.as_owner(own_server.bureau.database) as connection:
        connection.exec_driver_sql(
            "UPDATE exhibits SET last_read_at = '2023-01-01 00:00:00.000000'"
        )
    # The first thing that a worker reads again is what was read longest ago.
    own_server.start_worker()
    supervisor = Tus(own_server, own_server.tokens["supervisor"])
    until(lambda: b'"altered"' in supervisor.ask("GET", exhibit).body)
    kinds = [e["kind"] for e in supervisor.ask("GET", f"{exhibit}/custody").json["events"]]
    assert "exhibit:altered" in kinds
    assert not original.exists()
    assert (own_server.data / "store" / "quarantine" / exhibit.rsplit("/", 1)[1]).exists()
