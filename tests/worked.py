"""Bureaus that have worked, in this process: by the application's own ways their tables have rows.

A whole bureau has some in every table. A plain one has what any version could keep: no dossier, no
SM3, no witness that has answered, no original that was altered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from evidence.custody.sequencer import Sequencer
from evidence.errors import LoginFailed, StorageUnavailable
from evidence.exhibits.models import Exhibit, Fixity
from evidence.sm3 import SM3, new_sm3
from server import create_app, dossiers, jobs, rereading, troubles, vouching
from server.accounts import passwords
from server.extensions import db, sessions, signer, store
from tests.api.authority import Authority, listening
from tests.api.handed_out import COSIGNER, LocalWitness
from tests.api.tus import OCTETS, UPLOADS, metadata
from tests.bureau import Bureau, Clients
from tests.day import original_in
from tests.faults.failing import work_off
from tests.ports import free_port
from tests.unit.test_mirroring import bend

CASE = {"number": "衡东市监罚字〔2023〕451号", "party": "王记食品店", "sector": "food"}
PHOTOGRAPH = Path(__file__).parent / "golden" / "media" / "DSCN0010.jpg"


@contextmanager
def opened(bureau: Bureau, **environ: str) -> Iterator[Flask]:
    app = create_app({**bureau.environ, **environ}, TESTING=True)
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def sign() -> None:
    """Sign the log to its end; the lease stays taken, as by a worker that was stopped."""
    sequencer = Sequencer(sessions(), store(), signer(), "test")
    while sequencer.run_once():
        pass


@pytest.fixture(scope="session")
def plain_template(bureau_template: Bureau, tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    bureau = bureau_template.copy_to(tmp_path_factory.mktemp("plain") / "data")
    nobody = f"http://127.0.0.1:{free_port()} {COSIGNER.verifier_key}"
    with opened(bureau, ZHENGLIAN_SM3="off", ZHENGLIAN_WITNESSES=nobody) as app:
        _Day(app, bureau).live()
        with app.app_context():
            sign()
            (peer,) = vouching.settings().witnesses
            assert vouching.ask_witness(peer) == 0
    return bureau


@pytest.fixture(scope="session")
def whole_template(bureau_template: Bureau, tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    folder = tmp_path_factory.mktemp("whole")
    bureau = bureau_template.copy_to(folder / "data")
    authority = Authority(folder / "tsa")
    (folder / "witness").mkdir()
    with (
        listening(authority) as url,
        pytest.MonkeyPatch.context() as patched,
        opened(
            bureau,
            ZHENGLIAN_WITNESSES=f"http://witness.invalid {COSIGNER.verifier_key}",
            ZHENGLIAN_TIMESTAMPS=f"{url} {authority.root}",
        ) as app,
    ):
        with app.app_context():
            witness = LocalWitness(folder / "witness", [signer().verifier_key])
        patched.setattr(vouching, "HttpWitness", lambda _: witness)
        wait = SimpleNamespace(sleep=lambda _: _vouched(), monotonic=lambda: 0.0)
        patched.setattr(dossiers, "time", wait)
        day = _Day(app, bureau)
        day.live()
        day.find_one_altered()
        day.hand_out()
        with app.app_context():
            _vouched()
    return bureau


def _vouched() -> None:
    """The log signed, cosigned and stamped, as by the worker's other threads."""
    db.session.rollback()
    sign()
    for peer in vouching.settings().witnesses:
        vouching.ask_witness(peer)
    for peer in vouching.settings().authorities:
        vouching.ask_authority(peer)


class _Day:
    """What people and the dock do."""

    def __init__(self, app: Flask, bureau: Bureau) -> None:
        self._app, self._bureau = app, bureau
        self._who = Clients(app, bureau)
        self._altered = b"what rots on its disk"

    def live(self) -> None:
        photograph = self._taken_in(PHOTOGRAPH.read_bytes(), "现场 ①.jpg")
        recording = self._taken_in(b"a recording" * 1000, "DCAM_HD012_000001_20230915_100000.mp4")
        self._taken_in(b"not as claimed", "x.mp4", sha256="0" * 64)
        self._taken_in(b"half of what is said", "y.mp4", length=100)
        self._taken_in(self._altered, "第三段.mp4")
        handler = self._who("handler")
        _done(handler.post("/api/v1/cases", json={**CASE, "filed_on": "2023-09-15"}))
        linked = {"case_number": CASE["number"], "note": "现场"}
        for exhibit in (photograph, recording):
            link = _done(handler.post(f"/api/v1/exhibits/{exhibit}/links", json=linked))
        off = f"/api/v1/exhibits/{recording}/links/{link}"
        assert handler.delete(off, json={"reason": "错挂"}).status_code == 200
        inspection = {"inspection_id": self._inspected(), "note": "现场"}
        _done(handler.post(f"/api/v1/exhibits/{recording}/links", json=inspection))
        self._fail()
        with self._app.app_context():
            jobs.read_again(UUID(recording))
            assert rereading.check_exhibit(UUID(photograph)) is Fixity.INTACT

    def _taken_in(self, content: bytes, name: str, length: int = 0, sha256: str = "") -> str:
        """An upload of the dock's, sealed if it is whole; its exhibit's id, if it is one."""
        claims = {"filename": name, "recorder": "HD-012" if "HD012" in name else "HD-011"}
        claims["sha256"] = sha256 or hashlib.sha256(content).hexdigest()
        if SM3 and not sha256 and self._app.extensions["zhenglian"]["settings"].sm3:
            running = new_sm3()
            running.update(content)
            claims["sm3"] = running.hexdigest()
        dock, tus = self._who("station"), {"Tus-Resumable": "1.0.0"}
        said = {"Upload-Length": str(length or len(content)), "Upload-Metadata": metadata(**claims)}
        where = dock.post(UPLOADS, headers={**tus, **said}).headers["Location"]
        sent = {**tus, "Upload-Offset": "0", "Content-Type": OCTETS}
        assert dock.patch(where, data=content, headers=sent).status_code == 204
        work_off(self._app)
        with self._app.app_context():
            found = db.session.scalar(select(Exhibit.id).where(Exhibit.filename == name))
        return str(found)

    def _inspected(self) -> str:
        officers = [str(self._bureau.officers[who]) for who in ("officer", "street_officer")]
        record = {
            "id": str(uuid4()),
            "party": "李记食品店",
            "place": "城关镇",
            "started_at": "2023-09-15T09:00:00+08:00",
            "ended_at": "2023-09-15T10:00:00+08:00",
            "officers": officers,
            "id_shown": True,
            "recording_told": True,
            "result": "no_finding",
            "findings": "",
        }
        return _done(self._who("street_officer").post("/api/v1/inspections", json=record))

    def _fail(self) -> None:
        """A wrong password, and a job that cannot be done just now."""
        with self._app.app_context():
            with pytest.raises(LoginFailed):
                passwords.check_password("handler", "wrong", "127.0.0.1")
            troubles.note("seal", uuid4(), StorageUnavailable("The store cannot be reached."))

    def find_one_altered(self) -> None:
        digest = hashlib.sha256(self._altered).hexdigest()
        bend(original_in(self._bureau.data / "store", self._altered))
        with self._app.app_context():
            found = db.session.scalars(select(Exhibit.id).where(Exhibit.sha256 == digest)).one()
            assert rereading.check_exhibit(found) is Fixity.ALTERED

    def hand_out(self) -> None:
        """The case's dossier, and somebody's word for it."""
        handler, asked = (
            self._who("handler"),
            {"id": str(uuid4()), "reason": "县人民法院调取函第38号"},
        )
        of = {"case_number": CASE["number"]}
        dossier = _done(handler.post("/api/v1/dossiers", json={**asked, **of}), 202)
        with self._app.app_context():
            _vouched()
            dossiers.make(UUID(dossier))
        received = {"recipient": "李法官", "organisation": "衡东县人民法院"}
        _done(handler.post(f"/api/v1/dossiers/{dossier}/receipts", json=received))


def _done(answer: TestResponse, status: int = 201) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json["id"])
