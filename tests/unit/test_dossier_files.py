"""File names that every system can hold, and an archive whose length is known beforehand."""

from __future__ import annotations

import hashlib
import io
import unicodedata
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.dossier.names import safe_name
from evidence.dossier.parts import Pack, Part, file_list, read_list
from evidence.dossier.streaming import length, stream
from evidence.errors import FixityMismatch, OriginalMissing
from evidence.storage.memory import MemoryStore


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("执法现场〔2023〕.mp4", "执法现场〔2023〕.mp4"),
        ('a/b\\c:d*e?f"g<h>i|j.mp4', "a_b_c_d_e_f_g_h_i_j.mp4"),
        ("con.MP4", "_con.MP4"),
        ("COM1", "_COM1"),
        ("LPT9.tar.gz", "_LPT9.tar.gz"),
        ("..", "E2026-000001"),
        ("...mp4", "mp4"),
        ("", "E2026-000001"),
        (" name. ", "name"),
        ("line\nbreak\x00.mp4", "line_break_.mp4"),
        ("right\u202eto left.mp4", "right_to left.mp4"),
        ("50% off.jpg", "50_ off.jpg"),
        ("e\u0301.txt", "é.txt"),
        ("\ud800.mp4", "_.mp4"),
    ],
)
def test_a_name_is_kept_as_far_as_every_system_can_hold_it(name: str, safe: str) -> None:
    expected = "E2026-000001.mp4" if safe == "_.mp4" else safe
    assert safe_name(name, "E2026-000001") == expected


def test_a_long_name_keeps_its_suffix() -> None:
    for stem in ("长" * 300, "x" * 300, "😀" * 300):
        found = safe_name(f"{stem}.mp4", "E2026-000001")
        assert found.endswith(".mp4")
        assert len(found.encode("utf-16-le")) <= 200
        assert len(found.encode()) <= 200


@given(st.text(max_size=300))
def test_whatever_a_file_is_called_its_name_is_safe(name: str) -> None:
    found = safe_name(name, "E2026-000001")
    assert found
    assert not set(found) & set('<>:"/\\|?*%')
    assert found == found.strip(" .")
    assert unicodedata.is_normalized("NFC", found)
    assert all(unicodedata.category(c)[0] != "C" for c in found)
    assert found.split(".")[0].upper() not in {"CON", "NUL", "COM1", "LPT1"}
    assert safe_name(found, "E2026-000001") == found


def parts_of(store: MemoryStore, files: dict[str, bytes]) -> list[Part]:
    pack = Pack()
    for path, content in files.items():
        pack.add(path, content)
    return pack.file(store)


def test_the_archive_holds_every_part_and_is_as_long_as_was_said(store: MemoryStore) -> None:
    files = {"bagit.txt": b"x", "data/证据/原件.mp4": bytes(3_000_000), "empty": b""}
    parts = parts_of(store, files)
    kept = read_list(store, file_list(store, parts))
    assert kept == parts
    archive = b"".join(stream(store, "卷宗", kept))
    assert len(archive) == length("卷宗", kept)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        assert {n: opened.read(n) for n in opened.namelist()} == {
            f"卷宗/{name}": content for name, content in files.items()
        }


def test_more_files_than_a_plain_zip_can_count(store: MemoryStore) -> None:
    empty = hashlib.sha256(b"").hexdigest()
    (first,) = parts_of(store, {"0": b""})
    parts = [Part(str(n), 0, empty, "pack", first.key) for n in range(66_000)]
    assert sum(map(len, stream(store, "many", parts))) == length("many", parts)


class Zeros:
    """A store with originals of nothing but zeros, of as many MiB as their names say."""

    def read(self, key: str) -> Iterator[bytes]:
        piece = bytes(1024 * 1024)
        for _ in range(int(key)):
            yield piece


def test_larger_than_a_plain_zip_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """With zipfile's limit made small: the same code decides at two gigabytes."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 2_000_000)
    monkeypatch.setattr("evidence.dossier.streaming._LARGEST_PLAIN", 2_000_000)
    parts = []
    for mib in (1, 3, 1):
        digest = hashlib.sha256(bytes(mib * 1024 * 1024)).hexdigest()
        parts.append(Part(f"{len(parts)}", mib * 1024 * 1024, digest, "original", str(mib)))
    zeros: Any = Zeros()
    assert sum(map(len, stream(zeros, "large", parts))) == length("large", parts)


def test_a_part_that_is_not_what_was_said_breaks_the_stream_off(store: MemoryStore) -> None:
    (part,) = parts_of(store, {"a": b"x" * 100})
    for wrong in (
        Part("a", 100, "0" * 64, "pack", part.key),
        Part("a", 99, part.sha256, "pack", part.key),
    ):
        with pytest.raises(FixityMismatch):
            list(stream(store, "d", [wrong]))
    with pytest.raises(OriginalMissing):
        list(stream(store, "d", [Part("a", 1, "0" * 64, "original", "0" * 64)]))
