"""scripts/verify: intact, broken and where, or unreadable; run with nothing installed."""

from __future__ import annotations

import ast
import copy
import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy.orm import sessionmaker

from evidence.base import Base
from evidence.custody.note import Signer
from evidence.storage.memory import MemoryStore
from tests import databases
from tests.unit.custody_proofs import (
    FILENAME,
    ORIGINAL,
    SEGMENT,
    SIGNER,
    VERIFY,
    ProvenLog,
    verify,
    write,
)

Proof = dict[str, Any]
INTACT, BROKEN, UNREADABLE = 0, 1, 2


def made(folder: Path, *, sealed: bool = True) -> Proof:
    engine = databases.open_database(folder / "log.db")
    Base.metadata.create_all(engine)
    log = ProvenLog(sessionmaker(engine, expire_on_commit=False), MemoryStore())
    proved = log.fill(sealed=sealed)
    log.sequence()
    found = log.proof(proved)
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return made(tmp_path_factory.mktemp("log"))


@pytest.fixture
def proof(made_once: Proof) -> Proof:
    return copy.deepcopy(made_once)


@pytest.fixture(scope="module")
def verifier() -> ModuleType:
    """The script as a module, so that hundreds of files are read in a moment."""
    sys.dont_write_bytecode = True
    loader = SourceFileLoader("zhenglian_verify", str(VERIFY))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def run_inside(verifier: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["verify", *map(str, arguments)])
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    code: int = verifier.main()
    return code


def report_of(*arguments: object) -> tuple[int, dict[str, Any]]:
    code, output = verify(*arguments, "--json")
    return code, json.loads(output)


def test_it_imports_the_standard_library_alone() -> None:
    tree = ast.parse(VERIFY.read_text(encoding="utf-8"))
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert names <= sys.stdlib_module_names


def test_an_untouched_proof_and_original_are_intact(tmp_path: Path, proof: Proof) -> None:
    path = write(tmp_path, proof)
    code, output = verify(path, tmp_path / FILENAME, "--key", SIGNER.verifier_key)
    assert code == INTACT
    assert "INTACT" in output
    assert "taken from the proof itself" not in output


def test_the_original_is_found_beside_the_proof_by_its_name(tmp_path: Path, proof: Proof) -> None:
    code, report = report_of(write(tmp_path, proof))
    assert (code, report["original"]) == (INTACT, str(tmp_path / FILENAME))


def test_without_a_key_it_says_whose_word_it_took(tmp_path: Path, proof: Proof) -> None:
    assert "taken from the proof itself" in verify(write(tmp_path, proof))[1]


def test_without_the_original_it_says_what_to_give(tmp_path: Path, proof: Proof) -> None:
    path = write(tmp_path, proof, original=None)
    code, output = verify(path)
    assert code == UNREADABLE
    assert FILENAME in output
    assert "--events-only" in output
    code, output = verify(path, "--events-only")
    assert code == INTACT
    assert "not checked" in output


def test_the_report_is_chinese_where_asked(tmp_path: Path, proof: Proof) -> None:
    assert "完好" in verify(write(tmp_path, proof), "--lang", "zh")[1]
    assert "已损坏" in verify(write(tmp_path, proof, original=b"x"), "--lang", "zh")[1]


def test_a_quarantined_exhibit_is_named_as_such(tmp_path: Path) -> None:
    code, output = verify(write(tmp_path, made(tmp_path, sealed=False)))
    assert code == INTACT
    assert "QUARANTINE" in output


@pytest.mark.parametrize("at", [0, SEGMENT - 1, SEGMENT, len(ORIGINAL) - 1])
def test_one_changed_byte_of_the_original_is_found_to_its_segment(
    tmp_path: Path, proof: Proof, at: int
) -> None:
    altered = bytearray(ORIGINAL)
    altered[at] ^= 1
    code, report = report_of(write(tmp_path, proof, original=bytes(altered)))
    begin = at // SEGMENT * SEGMENT
    end = min(begin + SEGMENT, len(ORIGINAL)) - 1
    assert code == BROKEN
    assert [p["bytes"] for p in report["problems"] if "bytes" in p] == [[begin, end]]


@pytest.mark.parametrize("original", [b"", ORIGINAL[:-1], ORIGINAL + b"x"])
def test_an_original_of_another_length_is_broken(
    tmp_path: Path, proof: Proof, original: bytes
) -> None:
    code, report = report_of(write(tmp_path, proof, original=original))
    assert code == BROKEN
    assert report["problems"][0]["size"] == len(original)


def test_a_changed_event_is_named(tmp_path: Path, proof: Proof) -> None:
    event = proof["events"][2]
    event["event"] = event["event"].replace('"via":"job"', '"via":"api"')
    code, report = report_of(write(tmp_path, proof))
    assert code == BROKEN
    assert report["problems"][0]["event"] == 3


@pytest.mark.parametrize("line", range(1, 12))
def test_a_changed_proof_line_is_named(tmp_path: Path, proof: Proof, line: int) -> None:
    lines = proof["events"][1]["proof"].split("\n")
    changed = lines[line - 1]
    lines[line - 1] = ("B" if changed[:1] != "B" else "C") + changed[1:]
    proof["events"][1]["proof"] = "\n".join(lines)
    code, report = report_of(write(tmp_path, proof))
    assert code == BROKEN
    problem = report["problems"][0]
    assert problem["event"] == 2
    # Which of two neighbours in a pair was changed only another proof through it can tell.
    named = problem.get("proof_line") or range(*problem["proof_lines"])
    assert line == named or (isinstance(named, range) and line in named)


@pytest.mark.parametrize("which", range(4))
def test_an_event_that_was_removed_is_missed(tmp_path: Path, proof: Proof, which: int) -> None:
    del proof["events"][which]
    assert verify(write(tmp_path, proof))[0] == BROKEN


def test_events_in_another_order_are_broken(tmp_path: Path, proof: Proof) -> None:
    events = proof["events"]
    events[1], events[2] = events[2], events[1]
    assert verify(write(tmp_path, proof))[0] == BROKEN


def test_a_proof_without_events_never_passes(tmp_path: Path, proof: Proof) -> None:
    proof["events"] = []
    assert verify(write(tmp_path, proof))[0] == UNREADABLE


def test_another_key_than_the_one_given_is_broken(tmp_path: Path, proof: Proof) -> None:
    other = Signer(SIGNER.name, bytes(32)).verifier_key
    assert verify(write(tmp_path, proof), "--key", other)[0] == BROKEN


def test_a_whole_forgery_under_another_key_is_found_by_the_key_given(
    tmp_path: Path, proof: Proof
) -> None:
    forger = Signer(SIGNER.name, bytes(32))
    text = proof["checkpoint"].partition("\n\n")[0] + "\n"
    forged = json.dumps(proof).replace(
        json.dumps(proof["checkpoint"])[1:-1], json.dumps(forger.sign(text))[1:-1]
    )
    forged = forged.replace(SIGNER.verifier_key, forger.verifier_key)
    path = write(tmp_path, json.loads(forged))
    assert verify(path)[0] == INTACT  # and says that the key is the proof's own
    assert verify(path, "--key", SIGNER.verifier_key)[0] == BROKEN


def _without(name: str) -> Callable[[Proof], str]:
    def change(proof: Proof) -> str:
        del proof[name]
        return json.dumps(proof)

    return change


def _with(name: str, value: object) -> Callable[[Proof], str]:
    return lambda proof: json.dumps({**proof, name: value})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda proof: "",
        lambda proof: "null",
        lambda proof: "[" * 100_000,
        lambda proof: "\ufeff" + json.dumps(proof),
        lambda proof: json.dumps(proof)[:-1],
        lambda proof: json.dumps(proof)[:-1] + ', "format": "zhenglian-proof/v1"}',
        lambda proof: json.dumps(proof).replace("10240", "NaN", 1),
        lambda proof: json.dumps(proof).replace("10240", "1" * 5000, 1),
        lambda proof: json.dumps(proof).replace("E2026", "\\ud800E2026", 1),
        *[_without(name) for name in ("format", "exhibit", "segments", "events", "checkpoint")],
        _with("format", "zhenglian-proof/v2"),
        _with("events", [{"event": "{}"}]),
        _with("segments", [[True, "0" * 64]]),
        _with("strange", 1),
    ],
)
def test_what_cannot_be_read_is_neither_broken_nor_intact(
    tmp_path: Path, proof: Proof, spoil: Callable[[Proof], str]
) -> None:
    path = write(tmp_path, proof)
    path.write_text(spoil(proof), encoding="utf-8")
    code, output = verify(path)
    assert code == UNREADABLE
    assert "UNREADABLE" in output


def test_files_that_are_not_there_are_unreadable(tmp_path: Path, proof: Proof) -> None:
    assert verify(tmp_path / "none.json")[0] == UNREADABLE
    assert verify(write(tmp_path, proof), tmp_path / "none.mp4")[0] == UNREADABLE
    assert verify(write(tmp_path, proof), "--key", "nonsense")[0] == UNREADABLE


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "x" * 300, "a\x00b", "", ".."])
def test_a_name_that_leads_elsewhere_is_not_followed(
    tmp_path: Path, proof: Proof, verifier: ModuleType, name: str
) -> None:
    proof["exhibit"]["filename"] = name
    with pytest.raises(verifier.Unreadable):
        verifier.find_original(proof, write(tmp_path, proof), None)


def test_a_name_cannot_write_to_the_terminal(tmp_path: Path, proof: Proof) -> None:
    proof["exhibit"]["filename"] = "a\x1b[2J\u202eb\nINTACT"
    output = verify(write(tmp_path, proof))[1]
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert "\nINTACT" not in output


def _mutations(proof: Proof, chance: random.Random, count: int) -> list[bytes]:
    whole = json.dumps(proof, ensure_ascii=False).encode()
    found = []
    for number in range(count):
        spoilt = bytearray(whole)
        at = chance.randrange(len(spoilt))
        match number % 5:
            case 0:
                spoilt[at] ^= 1 << chance.randrange(8)
            case 1:
                del spoilt[at : at + chance.randrange(1, 40)]
            case 2:
                spoilt[at:at] = chance.randbytes(chance.randrange(1, 4))
            case 3:
                other = chance.randrange(len(spoilt))
                spoilt[at : at + 20], spoilt[other : other + 20] = (
                    spoilt[other : other + 20],
                    spoilt[at : at + 20],
                )
            case 4:
                del spoilt[at:]
        found.append(bytes(spoilt))
    return found


def test_no_mutation_of_a_proof_file_is_called_intact(
    tmp_path: Path, proof: Proof, verifier: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, proof)
    codes = set()
    for spoilt in _mutations(proof, random.Random(20230915), 600):
        path.write_bytes(spoilt)
        code = run_inside(verifier, monkeypatch, path, "--lang", "en")
        try:
            same = json.loads(spoilt) == proof
        except ValueError:
            same = False
        assert (code == INTACT) == same, spoilt
        codes.add(code)
    assert codes >= {BROKEN, UNREADABLE}


def test_ed25519_agrees_with_rfc_8032_and_refuses_the_malleable(verifier: ModuleType) -> None:
    # RFC 8032, section 7.1, test 2.
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert verifier.ed25519_verifies(public, b"\x72", signature)
    assert not verifier.ed25519_verifies(public, b"\x73", signature)
    greater = int.from_bytes(signature[32:], "little") + verifier.ORDER
    malleable = signature[:32] + greater.to_bytes(32, "little")
    assert not verifier.ed25519_verifies(public, b"\x72", malleable)
    for at in range(64):
        spoilt = bytearray(signature)
        spoilt[at] ^= 0x10
        assert not verifier.ed25519_verifies(public, b"\x72", bytes(spoilt))


def test_ctrl_c_ends_it_cleanly(tmp_path: Path, proof: Proof) -> None:
    fifo = tmp_path / "original"
    subprocess.run(["mkfifo", fifo], check=True)
    path = write(tmp_path, proof)
    process = subprocess.Popen(
        [sys.executable, str(VERIFY), str(path), str(fifo)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with fifo.open("wb"):  # returns once the verifier has opened the other end
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in errors
