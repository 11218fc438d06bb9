"""What the dock takes from a card, and when it may clear it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from evidence.custody.note import Signer
from evidence.sm3 import SM3
from scripts.docking.card import Card, CardFile, digests, visible, walk
from scripts.docking.state import State
from scripts.docking.troubles import CardTrouble, Unproven
from scripts.docking.wipe import clear
from scripts.docking.words import SENTENCES, Words, language

SIGNER = Signer("receipts.example", b"\1" * 32)


def ignored(done: int) -> None:
    """Nobody watches."""


def receipt_for(content: bytes, signer: Signer = SIGNER) -> str:
    return signer.sign(
        "zhenglian-receipt/v1\nevidence.example/log\n"
        "upload 6a1b8a52-6c0f-4a53-9d0e-0d7f5a1f6f3e\n"
        "exhibit 6a1b8a52-6c0f-4a53-9d0e-0d7f5a1f6f3f\n"
        "label E2026-000001\n"
        f"sha256 {hashlib.sha256(content).hexdigest()}\nsize {len(content)}\n"
        "sealed 2026-09-15T02:00:00.000000Z\n"
    )


def on_card(folder: Path, content: bytes = b"footage") -> CardFile:
    (folder / "a.mp4").write_bytes(content)
    (file,) = walk(folder).files
    return file


def cleared(file: CardFile, content: bytes, receipt: str | None = None) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    clear(file, sha256, [SIGNER.verifier_key], receipt or receipt_for(content), ignored)


def found(card: Card) -> list[str]:
    return [file.relative for file in card.files]


def test_links_lead_nowhere_and_are_named(tmp_path: Path) -> None:
    outside, card = tmp_path / "outside", tmp_path / "card"
    outside.mkdir()
    card.mkdir()
    (outside / "secret.mp4").write_bytes(b"secret")
    (card / "folder").symlink_to(outside)
    (card / "file.mp4").symlink_to(outside / "secret.mp4")
    (card / "own.mp4").write_bytes(b"own")
    os.mkfifo(card / "pipe")
    seen = walk(card)
    assert found(seen) == ["own.mp4"]
    assert sorted(seen.left_out) == ["file.mp4", "folder", "pipe"]


def test_wastebaskets_and_hidden_files_are_taken_and_system_files_are_not(tmp_path: Path) -> None:
    for name in (
        ".Trashes/501/deleted.mp4",
        "$RECYCLE.BIN/$R1.mp4",
        ".hidden.mp4",
        "System Volume Information/IndexerVolumeGuid",
        "DCIM/Thumbs.db",
        "DCIM/a.THM",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    assert found(walk(tmp_path)) == [
        "$RECYCLE.BIN/$R1.mp4",
        ".Trashes/501/deleted.mp4",
        ".hidden.mp4",
        "DCIM/a.THM",
    ]
    assert "DCIM/a.THM" not in found(walk(tmp_path, ["dcim/*.thm"]))


def test_one_file_is_a_card_too(tmp_path: Path) -> None:
    on_card(tmp_path)
    assert found(walk(tmp_path / "a.mp4")) == ["a.mp4"]


def test_the_digest_is_that_of_the_bytes_on_the_card(tmp_path: Path) -> None:
    content = os.urandom(3 * 1024 * 1024 + 7)
    sha256, sm3 = digests(on_card(tmp_path, content), ignored)
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert sm3 == (hashlib.new("sm3", content).hexdigest() if SM3 else None)


def test_a_file_that_changed_vanished_or_was_exchanged_is_refused(tmp_path: Path) -> None:
    file = on_card(tmp_path)
    file.path.write_bytes(b"longer than before")
    with pytest.raises(CardTrouble, match="file_changed"):
        digests(file, ignored)
    file.path.unlink()
    with pytest.raises(CardTrouble, match="file_unreadable"):
        digests(file, ignored)
    file.path.symlink_to("/etc/passwd")
    with pytest.raises(CardTrouble, match="file_unreadable"):
        digests(file, ignored)


def test_a_proven_file_is_removed(tmp_path: Path) -> None:
    file = on_card(tmp_path)
    cleared(file, b"footage")
    assert not file.path.exists()


@pytest.mark.parametrize(
    "receipt",
    [
        receipt_for(b"other!!"),
        receipt_for(b"footage", Signer("receipts.example", b"\2" * 32)),
        receipt_for(b"footage", Signer("stranger.example", b"\1" * 32)),
        receipt_for(b"footage").replace("E2026-000001", "E2026-000002"),
        SIGNER.sign(receipt_for(b"footage").split("\n\n")[0].split("\n", 1)[1] + "\n"),
        "not a note",
    ],
    ids=[
        "other bytes",
        "other key",
        "unknown signer",
        "altered",
        "another kind of note",
        "no note",
    ],
)
def test_a_file_is_kept_on_any_receipt_but_its_own(tmp_path: Path, receipt: str) -> None:
    file = on_card(tmp_path)
    with pytest.raises(Unproven):
        cleared(file, b"footage", receipt)
    assert file.path.read_bytes() == b"footage"


def test_a_file_whose_bytes_differ_from_the_sealed_ones_is_kept(tmp_path: Path) -> None:
    """A card that fails, or an officer who writes over it without leaving a trace in its times."""
    file = on_card(tmp_path)
    file.path.write_bytes(b"altered")
    os.utime(file.path, ns=(file.mtime_ns, file.mtime_ns))
    with pytest.raises(Unproven, match="card_differs"):
        cleared(file, b"footage")
    assert file.path.exists()


def test_a_location_survives_the_process_and_is_forgotten_on_demand(tmp_path: Path) -> None:
    State(tmp_path).note("event", "/api/v1/uploads/1")
    state = State(tmp_path)
    assert state.location("event") == "/api/v1/uploads/1"
    state.forget("event")
    assert State(tmp_path).location("event") is None


def test_unseen_characters_are_shown(tmp_path: Path) -> None:
    assert visible("a\u202eb\x1b[31m\u200b证") == "a⟨U+202E⟩b⟨U+001B⟩[31m⟨U+200B⟩证"
    assert visible(os.fsdecode(b"\xff.mp4")) == "\\xff.mp4"


def test_every_sentence_has_both_languages_with_the_same_facts() -> None:
    import string

    def facts(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for key, (english, chinese) in SENTENCES.items():
        assert facts(english) == facts(chinese), key
        assert chinese != english, key


def test_the_language_is_that_of_the_environment_unless_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert (language(None), language("en")) == ("zh", "en")
    assert Words("zh")("phase_send") == "上传"
