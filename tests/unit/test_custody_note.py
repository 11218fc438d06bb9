"""Signed notes, checkpoints and the key file."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from evidence.custody.checkpoint import Checkpoint, verify_checkpoint
from evidence.custody.keys import load_or_create_signer
from evidence.custody.note import Signer, verify_note
from evidence.errors import CustodyError, NoteMalformed, SignatureInvalid

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "custody"
VECTOR = json.loads((GOLDEN / "signed_note.json").read_text(encoding="utf-8"))
SIGNER = Signer("evidence.example/log", bytes(range(32)))
NOTE = SIGNER.sign("one\n\ntwo\n")


def test_the_published_example_verifies() -> None:
    assert verify_note(VECTOR["note"], [VECTOR["vkey"]]) == "This is an example message.\n"


def test_a_note_proves_its_text_and_nothing_else() -> None:
    assert verify_note(NOTE, [SIGNER.verifier_key]) == "one\n\ntwo\n"
    with pytest.raises(SignatureInvalid):
        verify_note(NOTE.replace("two", "six"), [SIGNER.verifier_key])


def test_without_a_key_nothing_is_proven() -> None:
    with pytest.raises(SignatureInvalid):
        verify_note(NOTE, [])
    with pytest.raises(SignatureInvalid):
        verify_note(NOTE, [Signer(SIGNER.name, bytes(32)).verifier_key])


def test_a_witness_may_sign_beside_the_log() -> None:
    witness = Signer("witness.example", bytes(32))
    cosigned = NOTE + witness.sign("one\n\ntwo\n").rpartition("\n\n")[2]
    for keys in ([SIGNER.verifier_key], [witness.verifier_key]):
        assert verify_note(cosigned, keys) == "one\n\ntwo\n"


def test_a_bad_signature_by_a_known_key_spoils_the_note() -> None:
    witness = Signer("witness.example", bytes(32))
    cosigned = NOTE + witness.sign("another text\n").rpartition("\n\n")[2]
    with pytest.raises(SignatureInvalid):
        verify_note(cosigned, [SIGNER.verifier_key, witness.verifier_key])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "text\n",
        "text\n\n",
        NOTE[:-1],
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—  "),
        NOTE + "\n",
        NOTE + "— x\n",
        NOTE + "— x !!!!\n",
        NOTE + "— x AAAA\n",
        NOTE.replace("one", "o\tne"),
    ],
)
def test_what_is_not_a_note_is_named_so(note: str) -> None:
    with pytest.raises(NoteMalformed):
        verify_note(note, [SIGNER.verifier_key])


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "name+00000000",
        SIGNER.verifier_key.replace("evidence", "evidense"),
        SIGNER.verifier_key[:-4],
        "name+00000000+!!!",
        SIGNER.verifier_key.replace("+AQ", "+Ag"),
    ],
)
def test_what_is_not_a_verifier_key_is_refused(key: str) -> None:
    with pytest.raises(NoteMalformed):
        verify_note(NOTE, [key])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u00a0b"])
def test_a_key_has_a_name_that_a_note_can_carry(name: str) -> None:
    with pytest.raises(NoteMalformed):
        Signer(name, bytes(32))


def test_a_checkpoint_reads_back_as_it_was_signed() -> None:
    checkpoint = Checkpoint(origin=SIGNER.name, size=7, root=bytes(32))
    assert verify_checkpoint(SIGNER.sign(checkpoint.text()), SIGNER.verifier_key) == checkpoint


def test_a_checkpoint_of_another_origin_is_not_ours() -> None:
    checkpoint = Checkpoint(origin="another.example/log", size=7, root=bytes(32))
    with pytest.raises(SignatureInvalid):
        verify_checkpoint(SIGNER.sign(checkpoint.text()), SIGNER.verifier_key)


ROOT = "A" * 43 + "="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n",
        "origin\n1\n",
        f"\n1\n{ROOT}\n",
        f"origin\n01\n{ROOT}\n",
        f"origin\n-1\n{ROOT}\n",
        f"origin\n+1\n{ROOT}\n",
        f"origin\n١\n{ROOT}\n",
        f"origin\n{'9' * 5000}\n{ROOT}\n",
        "origin\n1\nAAAA\n",
        "origin\n1\n!\n",
        f"origin\n1\n{ROOT[:42]}B=\n",
        f"origin\n1\n{ROOT}",
    ],
)
def test_what_is_not_a_checkpoint_is_named_so(text: str) -> None:
    with pytest.raises(NoteMalformed):
        Checkpoint.parse(text)


def test_the_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "log.key"
    signer = load_or_create_signer(path, SIGNER.name)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_signer(path, SIGNER.name).verifier_key == signer.verifier_key
    assert [p.name for p in path.parent.iterdir()] == ["log.key"]


def test_two_that_start_together_have_one_key(tmp_path: Path) -> None:
    path, found = tmp_path / "log.key", set()
    threads = [
        threading.Thread(
            target=lambda: found.add(load_or_create_signer(path, SIGNER.name).verifier_key)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1


def test_a_key_of_another_origin_is_refused(tmp_path: Path) -> None:
    load_or_create_signer(tmp_path / "log.key", "one.example/log")
    with pytest.raises(CustodyError, match=r"one\.example/log"):
        load_or_create_signer(tmp_path / "log.key", "two.example/log")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"origin": "evidence.example/log", "ed25519_seed": "00"}',
        b'{"origin": "evidence.example/log", "ed25519_seed": "zz"}',
        b'{"origin": "evidence.example/log", "ed25519_seed": 1}',
    ],
)
def test_a_damaged_key_file_is_refused_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.key"
    path.write_bytes(content)
    with pytest.raises(CustodyError):
        load_or_create_signer(path, SIGNER.name)
    assert path.read_bytes() == content
