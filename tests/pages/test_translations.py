"""The catalogue has every sentence of the pages, in Chinese, and none besides."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Path("server/translations/zh/LC_MESSAGES/messages.po")
PLACE = re.compile(r"%\((\w+)\)")


def test_running_translate_again_changes_nothing(tmp_path: Path) -> None:
    for part in ("server", "scripts"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("vendor"))
    done = subprocess.run(
        [sys.executable, "scripts/translate"],
        cwd=tmp_path, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    for suffix in (".po", ".mo"):
        made = tmp_path / CATALOGUE.with_suffix(suffix)
        assert made.read_bytes() == (ROOT / CATALOGUE).with_suffix(suffix).read_bytes()


def test_every_sentence_is_translated_with_all_that_it_names() -> None:
    with (ROOT / CATALOGUE).open("rb") as file:
        catalogue = read_po(file, locale="zh")
    assert len(catalogue) > 150
    for message in catalogue:
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        asked = message.id if isinstance(message.id, str) else message.id[1]
        strings = message.string or ""
        for said in [strings] if isinstance(strings, str) else strings:
            assert set(PLACE.findall(said)) == set(PLACE.findall(asked)), message.id


@pytest.mark.parametrize("mark", ["PROJECT", "FIRST AUTHOR", "EMAIL@"])
def test_the_header_is_the_projects_own(mark: str) -> None:
    assert mark not in (ROOT / CATALOGUE).read_text()
