"""A dossier: a valid bag, read by other people's tools, verified by bare Python, and every step an
event."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from uuid import UUID, uuid4

import bagit
import pytest
from lxml import etree
from metsrw.plugins import premisrw

from evidence.errors import FixityMismatch
from evidence.storage.memory import MemoryStore
from server import dossiers, jobs
from server.extensions import store
from tests.api.handed_out import (
    CONTENTS,
    VERIFY,
    HandedOut,
    ask,
    handed_out,
    make,
    signing,
    take_in,
)
from tests.api.office import CASE, Office
from tests.conftest import SteppingClock

__all__ = ["handed_out"]


@pytest.fixture
def unpacked(handed_out: HandedOut, tmp_path: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(handed_out.zip)) as archive:
        archive.extractall(tmp_path)
    return tmp_path / handed_out.folder


def verify(where: Path, *arguments: object, cwd: Path | None = None) -> tuple[int, str]:
    """As a stranger: bare Python, isolated, in another folder, with an environment of nothing."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFY), str(where), *map(str, arguments)],
        check=False,
        capture_output=True,
        cwd=cwd or where.parent,
        env={"LANG": "C.UTF-8", "PATH": os.environ["PATH"]},
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, (done.stdout + done.stderr).decode()


def test_it_verifies_packed_and_unpacked_and_by_the_program_within(
    handed_out: HandedOut, unpacked: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "dossier.zip"
    packed.write_bytes(handed_out.zip)
    for what in (packed, unpacked, unpacked.parent / unpacked.name):
        assert verify(what, "--lang", "zh")[0] == 0
    done = subprocess.run(
        [sys.executable, "-I", "-S", "data/verify.py", "."],
        cwd=unpacked,
        check=False,
        capture_output=True,
        env={},
    )
    assert done.returncode == 0, done.stdout.decode()
    assert b"INTACT: every file of the dossier." in done.stdout


def test_a_dossier_that_was_packed_again_by_others_is_intact_too(
    handed_out: HandedOut, tmp_path: Path
) -> None:
    packed = tmp_path / "again.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in handed_out.files.items():
            archive.writestr(f"another folder/{name}", content)
    assert verify(packed)[0] == 0


def test_a_policy_decides_whom_to_trust(handed_out: HandedOut, tmp_path: Path) -> None:
    packed, policy = tmp_path / "dossier.zip", tmp_path / "policy"
    packed.write_bytes(handed_out.zip)
    stranger = "stranger.example+" + handed_out.witness_key.partition("+")[2]
    trusted = (
        f"log {handed_out.log_key}\n# the county's justice bureau\n"
        f"witness sifa {handed_out.witness_key}\ngroup g all sifa\nquorum g\n"
    )
    policy.write_text(trusted)
    code, words = verify(packed, "--policy", policy)
    assert code == 0
    assert "trusted by your policy" in words
    assert "taken from the proof itself" not in words
    other_log = handed_out.log_key.replace("zhenglian.local", "zhenglian.elsewhere")
    for text, code in (
        (f"log {handed_out.log_key}\n", 0),
        (f"log {other_log}\n", 2),  # its id is not that of its name
        (f"witness x {stranger}\n", 2),
        (trusted.replace("quorum g", "quorum nobody"), 2),
        ("anything\n", 2),
    ):
        policy.write_text(text)
        assert verify(packed, "--policy", policy)[0] == code, text
    another = _another_witness()
    policy.write_text(f"log {handed_out.log_key}\nwitness other {another}\nquorum other\n")
    code, words = verify(packed, "--policy", policy)
    assert code == 2
    assert "not cosigned (yet) by other" in words
    assert "NOT COSIGNED: nothing is broken" in words
    assert "original and events are intact" in words  # all the rest is checked
    policy.write_text(
        f"witness other {another}\nwitness sifa {handed_out.witness_key}\n"
        "group any 1 other sifa\nquorum any\n"
    )
    assert verify(packed, "--policy", policy)[0] == 0


def _another_witness() -> str:
    from evidence.custody.cosignature import Cosigner

    return Cosigner("another.example", b"\1" * 32).verifier_key


def test_its_report_for_machines_names_keys_witnesses_and_exhibits(
    handed_out: HandedOut, tmp_path: Path
) -> None:
    packed = tmp_path / "dossier.zip"
    packed.write_bytes(handed_out.zip)
    code, words = verify(packed, "--json", "--key", handed_out.log_key)
    report = json.loads(words)
    assert (code, report["verdict"], report["key_from"]) == (0, "intact", "argument")
    assert [w["name"] for w in report["witnesses"]] == ["witness.sifa.example"]
    assert [e["label"] for e in report["exhibits"]] == handed_out.exhibits
    assert report["dossier"]["label"] == handed_out.told["label"]
    assert [s["checked"] for s in report["stamps"]] == [False]


def test_its_stamp_is_checked_by_openssl_where_a_root_is_given(
    handed_out: HandedOut, unpacked: Path, tmp_path: Path
) -> None:
    code, words = verify(unpacked, "--stamp-roots", handed_out.authority.root)
    assert code == 0
    assert ": checked" in words
    (tmp_path / "another").mkdir()
    other = tmp_path / "another" / "other.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=other", "-keyout", os.devnull, "-out", str(other)],
        check=True, capture_output=True,
    )  # fmt: skip
    assert verify(unpacked, "--stamp-roots", other)[0] == 1
    (stamp,) = [n for n in handed_out.files if n.endswith(".tsr")]
    text = handed_out.files["log/checkpoint-text"].decode()
    assert handed_out.authority.verifies(text, handed_out.files[stamp])


def test_other_peoples_tools_read_it(handed_out: HandedOut, unpacked: Path) -> None:
    bag = bagit.Bag(str(unpacked))
    bag.validate()
    assert bag.info["External-Identifier"] == handed_out.told["label"]
    graph = unpacked / "data" / "case.jsonld"
    command = [str(Path(sys.executable).with_name("case_validate")), str(graph)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for label in handed_out.exhibits:
        root = etree.parse(str(unpacked / "data" / "exhibits" / label / "premis.xml")).getroot()
        entities = [premisrw.premis_to_data(child) for child in root]
        kinds = [entity[0] for entity in entities]
        events = len(list((unpacked / "data" / "exhibits" / label / "events").iterdir()))
        assert (kinds.count("object"), kinds.count("event")) == (1, events)
        found = premisrw.PREMISObject(data=entities[0])
        told = json.loads(handed_out.files[f"data/exhibits/{label}/exhibit.json"])
        digests = {
            f.findtext("{*}messageDigestAlgorithm"): f.findtext("{*}messageDigest")
            for f in root.iter("{*}fixity")
        }
        assert digests == {"SHA-256": told["sha256"], "SM3": told["sm3"]}
        assert found.identifier_value == told["id"]


def test_its_certificate_says_what_it_certifies(handed_out: HandedOut, unpacked: Path) -> None:
    label = handed_out.exhibits[0]
    pdf = unpacked / "data" / "exhibits" / label / "certificate.pdf"
    text = subprocess.run(
        ["pdftotext", "-layout", str(pdf), "-"], check=True, capture_output=True, text=True
    ).stdout
    joined = "".join(text.split())
    told = json.loads(handed_out.files[f"data/exhibits/{label}/exhibit.json"])
    for wanted in (
        "电子数据完整性证明",
        "衡东县市场监督管理局",
        label,
        handed_out.told["label"],
        told["sha256"],
        told["sm3"],
        "一致",
        "封存",
        CASE,
        f"https://zhenglian.local/verify/{told['sha256']}",
        handed_out.log_key,
    ):
        assert "".join(wanted.split()) in joined, wanted


def test_names_within_are_safe_on_windows_and_keep_the_chinese(handed_out: HandedOut) -> None:
    originals = sorted(n.rpartition("/")[2] for n in handed_out.files if "/original/" in n)
    assert originals == ["E2023-000003", "_CON.jpg", "执法现场_ 第三市场_.mp4"]
    for name in handed_out.files:
        assert not set(name) & set('<>:"\\|?*')
    assert handed_out.folder == f"{handed_out.told['label']}_衡东市监罚字〔2023〕451号"


def test_every_original_is_in_it_byte_by_byte(handed_out: HandedOut) -> None:
    found = {c for n, c in handed_out.files.items() if "/original/" in n}
    assert found == set(CONTENTS)


def test_the_same_dossier_twice_is_the_same_bytes_and_two_downloads(
    office: Office, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    exhibit = take_in(office, clock, b"recorded", "a.mp4")
    told = ask(office, who="archivist", exhibit=str(exhibit))
    with signing(monkeypatch):
        make(office, told["id"])
    client, path = office.client("archivist"), f"/api/v1/dossiers/{told['id']}"
    first, second = (client.get(f"{path}/bag") for _ in range(2))
    assert first.data == second.data
    assert first.content_length == len(first.data)
    assert client.head(f"{path}/bag").status_code == 200
    assert office.kinds(told["id"]) == ["dossier:made", *["dossier:downloaded"] * 2]
    assert office.kinds(exhibit)[-2:] == ["exhibit:exported", "exhibit:proved"]
    signed = client.post(
        f"{path}/receipts", json={"recipient": "李法官", "organisation": "衡东县人民法院"}
    )
    assert signed.status_code == 201
    assert office.kinds(told["id"])[-1] == "dossier:received"
    assert client.get(path).json["receipts"][0]["recipient"] == "李法官"


def test_asking_again_by_the_same_id_is_the_same_dossier(
    office: Office, clock: SteppingClock
) -> None:
    exhibit = take_in(office, clock, b"recorded", "a.mp4")
    other = take_in(office, clock, b"another", "b.mp4")
    said = {"id": str(uuid4()), "exhibit": str(exhibit), "reason": "court"}
    client = office.client("handler")
    first, second = (client.post("/api/v1/dossiers", json=said) for _ in range(2))
    assert first.json["label"] == second.json["label"]
    assert office.kinds(exhibit).count("exhibit:exported") == 1
    stolen = client.post("/api/v1/dossiers", json={**said, "exhibit": str(other)})
    assert stolen.json["code"] == "identifier_reused"


@pytest.mark.parametrize("who", ["officer", "supervisor", "reviewer", "leader", "auditor"])
def test_only_who_may_hand_out_may_ask_or_take(
    office: Office, clock: SteppingClock, who: str
) -> None:
    exhibit = take_in(office, clock, b"recorded", "a.mp4")
    asked = ask(office, exhibit=str(exhibit))
    client = office.client(who)
    said = {"exhibit": str(exhibit), "reason": "curiosity"}
    assert client.post("/api/v1/dossiers", json=said).status_code in (403, 404)
    assert client.get(f"/api/v1/dossiers/{asked['id']}/bag").status_code in (403, 404)
    receipt = {"recipient": "x", "organisation": "y"}
    path = f"/api/v1/dossiers/{asked['id']}/receipts"
    assert client.post(path, json=receipt).status_code in (403, 404)
    assert office.kinds(exhibit).count("exhibit:exported") == 1


def test_another_units_handler_does_not_learn_of_it(office: Office, clock: SteppingClock) -> None:
    exhibit = take_in(office, clock, b"recorded", "a.mp4")
    asked = ask(office, exhibit=str(exhibit))
    client = office.client("other_handler")
    for path in (f"/api/v1/dossiers/{asked['id']}", f"/api/v1/dossiers/{asked['id']}/bag"):
        assert client.get(path).status_code == 404


def test_a_reason_is_needed_and_until_it_is_ready_there_is_nothing_to_take(
    office: Office, clock: SteppingClock
) -> None:
    exhibit = take_in(office, clock, b"recorded", "a.mp4")
    client = office.client("handler")
    for reason in ("", "   "):
        said = {"exhibit": str(exhibit), "reason": reason}
        assert client.post("/api/v1/dossiers", json=said).status_code == 422
    asked = ask(office, exhibit=str(exhibit))
    path = f"/api/v1/dossiers/{asked['id']}"
    assert client.get(f"{path}/bag").json["code"] == "dossier_not_ready"
    receipt = {"recipient": "x", "organisation": "y"}
    assert client.post(f"{path}/receipts", json=receipt).json["code"] == "dossier_not_ready"


def test_a_crash_at_any_step_is_gone_on_from(
    office: Office, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    exhibit = take_in(office, clock, b"recorded", "a.mp4")
    told = ask(office, exhibit=str(exhibit))

    class Crashed(Exception):
        pass

    def crash(*_: object, **__: object) -> None:
        raise Crashed

    for step in ("describe", "exhibit_parts", "fix_payload", "add_proofs", "finish"):
        with monkeypatch.context() as patched, signing(patched):
            patched.setattr(dossiers.making, step, crash)
            with pytest.raises(Crashed):
                make(office, told["id"])
    with signing(monkeypatch):
        make(office, told["id"])
        make(office, told["id"])
    assert office.kinds(told["id"]) == ["dossier:made"]
    assert office.kinds(exhibit)[-2:] == ["exhibit:exported", "exhibit:proved"]
    assert office.kinds(exhibit).count("exhibit:exported") == 1


def test_an_original_that_was_altered_meanwhile_breaks_the_stream_off(
    office: Office, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(3_000_000)
    exhibit = take_in(office, clock, content, "a.mp4")
    told = ask(office, exhibit=str(exhibit))
    with signing(monkeypatch):
        make(office, told["id"])
    with office.app.app_context():
        held = store()
        assert isinstance(held, MemoryStore)
        held._originals[hashlib.sha256(content).hexdigest()] = b"x" + content[1:]
    with pytest.raises(FixityMismatch):
        _ = office.client("handler").get(f"/api/v1/dossiers/{told['id']}/bag").data
    with office.app.app_context():
        waiting = [task.name for task in jobs.queue_of(office.app).pending()]
    assert "read_again" in waiting


def test_of_an_altered_original_the_history_is_handed_out_and_said_to_lack_it(
    office: Office, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from server import rereading

    content = b"as it was recorded"
    exhibit = take_in(office, clock, content, "a.mp4")
    with office.app.app_context():
        held = store()
        assert isinstance(held, MemoryStore)
        held._originals[hashlib.sha256(content).hexdigest()] = b"as it was rewritten"
        rereading.check_exhibit(exhibit)
    said = {"exhibit": str(exhibit), "reason": "court"}
    refused = office.client("handler").post("/api/v1/dossiers", json=said)
    assert refused.json["code"] == "access_denied"
    told = ask(office, who="archivist", exhibit=str(exhibit))
    with signing(monkeypatch):
        make(office, told["id"])
    answer = office.client("archivist").get(f"/api/v1/dossiers/{told['id']}/bag")
    packed = tmp_path / "dossier.zip"
    packed.write_bytes(answer.data)
    code, words = verify(packed)
    assert code == 2
    assert "the original is not in this dossier" in words


def test_the_verifier_is_python_that_older_machines_read() -> None:
    ast.parse(VERIFY.read_text("utf-8"), feature_version=(3, 9))


def test_nobody_learns_a_dossier_by_its_id(office: Office) -> None:
    assert office.client("handler").get(f"/api/v1/dossiers/{UUID(int=5)}").status_code == 404
    assert office.client().get(f"/api/v1/dossiers/{UUID(int=5)}").status_code == 401
