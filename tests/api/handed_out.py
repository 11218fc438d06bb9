"""A case's dossier as it was handed out, with a witness's cosignature and an authority's stamp."""

from __future__ import annotations

import dataclasses
import importlib.machinery
import importlib.util
import io
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from evidence import clock as evidence_clock
from evidence.custody.cosignature import Cosigner
from evidence.custody.sequencer import Sequencer
from evidence.custody.witness import AddCheckpoint, Witness, trusted_logs
from evidence.custody.witnessed import Answer
from evidence.exhibits.models import Exhibit
from evidence.storage.memory import MemoryStore
from server import create_app, dossiers, vouching
from server.extensions import db, sessions, signer, store
from tests import databases
from tests.api.authority import Authority, listening
from tests.api.office import CASE, Office
from tests.conftest import SteppingClock
from tests.unit.receiving import Receiving

ROOT = Path(__file__).resolve().parents[2]
VERIFY = ROOT / "scripts" / "verify"
COSIGNER = Cosigner("witness.sifa.example", bytes(32))
CONTENTS = (bytes(range(256)) * 9000, b"\xff\xd8 a photograph", b"")
NAMES = ("执法现场: 第三市场?.mp4", "CON.jpg", "")


@dataclass
class HandedOut:
    """A dossier, and what a court needs to check it."""

    zip: bytes
    files: dict[str, bytes]  # by path within the bag
    folder: str
    log_key: str
    witness_key: str
    authority: Authority
    told: dict[str, Any]  # what the API said of it
    exhibits: list[str]  # labels


class LocalWitness:
    """A witness that answers at once, in this process."""

    def __init__(self, folder: Path, log_keys: list[str]) -> None:
        self._witness = Witness(folder, COSIGNER, trusted_logs(log_keys))

    @property
    def verifier_key(self) -> str:
        return COSIGNER.verifier_key

    def add_checkpoint(self, request: AddCheckpoint) -> Answer:
        return Answer(status=200, body=self._witness.add_checkpoint(str(request)))


def sequence() -> None:
    sequencer = Sequencer(sessions(), store(), signer(), "test")
    while sequencer.run_once():
        pass
    sequencer.release()


def take_in(office: Office, clock: SteppingClock, content: bytes, name: str) -> UUID:
    """An exhibit by the same way that a dock's upload takes."""
    with office.writing() as session:
        held = store()
        assert isinstance(held, MemoryStore)
        receiving = Receiving(session, held, clock)
        exhibit: Exhibit = receiving.seal(
            receiving.upload(content, filename=name, unit_id=office.units["squad"])
        )
        return exhibit.id


@contextmanager
def signing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While it waits, the log is signed, as the worker's other thread would."""

    def wait(_: float) -> None:
        db.session.rollback()
        sequence()
        for peer in vouching.settings().witnesses:
            vouching.ask_witness(peer)

    monkeypatch.setattr(dossiers, "time", SimpleNamespace(sleep=wait, monotonic=lambda: 0.0))
    yield


def ask(office: Office, who: str = "handler", **of: str) -> dict[str, Any]:
    answer = office.client(who).post(
        "/api/v1/dossiers", json={"reason": "县人民法院调取函第38号", "id": str(uuid4()), **of}
    )
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json
    return told


def make(office: Office, dossier_id: str) -> None:
    with office.app.app_context():
        sequence()
        dossiers.make(UUID(dossier_id))


def files_of(archive: bytes) -> tuple[str, dict[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        names = opened.namelist()
        folder = names[0].partition("/")[0]
        return folder, {name.partition("/")[2]: opened.read(name) for name in names}


@pytest.fixture(scope="session")
def handed_out(opened: Office, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HandedOut]:
    folder = tmp_path_factory.mktemp("handed-out")
    databases.copy_folder(opened.app.extensions["zhenglian"]["settings"].data, folder / "data")
    authority, clock = Authority(folder / "tsa"), SteppingClock()
    with pytest.MonkeyPatch.context() as patched, listening(authority) as url:
        app = create_app(
            {
                "ZHENGLIAN_DATA": str(folder / "data"),
                "ZHENGLIAN_DATABASE_URL": databases.database_url(folder / "data" / "zhenglian.db"),
                "ZHENGLIAN_STORE_URL": "memory:",
                "ZHENGLIAN_QUEUE_URL": "memory:",
                "ZHENGLIAN_BUREAU": "衡东县市场监督管理局",
                "ZHENGLIAN_WITNESSES": f"http://witness.invalid {COSIGNER.verifier_key}",
                "ZHENGLIAN_TIMESTAMPS": f"{url} {authority.root}",
            },
            TESTING=True,
        )
        office = dataclasses.replace(opened, app=app)
        with evidence_clock.replaced_by(clock):
            with app.app_context():
                log_key = signer().verifier_key
            (folder / "witness").mkdir()
            witness = LocalWitness(folder / "witness", [log_key])
            patched.setattr(vouching, "HttpWitness", lambda peer: witness)
            ids = [take_in(office, clock, *each) for each in zip(CONTENTS, NAMES, strict=True)]
            office.file_case()
            for exhibit in ids:
                office.client("handler").post(
                    f"/api/v1/exhibits/{exhibit}/links",
                    json={"case_number": CASE, "note": "记录仪时钟有偏差，见情况说明"},
                )
            told = ask(office, case_number=CASE)
            with signing(patched):
                make(office, told["id"])
            told = office.client("handler").get(f"/api/v1/dossiers/{told['id']}").json
            assert told["state"] == "ready", told
            answer = office.client("handler").get(f"/api/v1/dossiers/{told['id']}/bag")
    within, files = files_of(answer.data)
    yield HandedOut(
        zip=answer.data,
        files=files,
        folder=within,
        log_key=log_key,
        witness_key=COSIGNER.verifier_key,
        authority=authority,
        told=told,
        exhibits=sorted({n.split("/")[2] for n in files if n.startswith("data/exhibits/")}),
    )
    with app.app_context():
        db.engine.dispose()


class Unpacked:
    """A dossier's files in memory, as scripts/verify reads a folder's."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.sizes = {name: len(content) for name, content in self.files.items()}

    def open(self, name: str) -> io.BytesIO:
        return io.BytesIO(self.files[name])


def load_verifier() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("verifier", str(VERIFY))
    spec = importlib.util.spec_from_loader("verifier", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules["verifier"] = module
    loader.exec_module(module)
    return module
