"""What the README says can be done with a dossier, done as it says, by another account's shell."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.api.handed_out import HandedOut, handed_out

__all__ = ["handed_out"]

ROOT = Path(__file__).resolve().parents[2]


def examples() -> list[tuple[str, str]]:
    """Each example of tampering: what it is called, and its command."""
    text = (ROOT / "README.md").read_text("utf-8")
    block = re.search(r"<!-- tampering: .*? -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert block
    found = re.findall(r"^# (.+)\n(.+)$", block[1], re.MULTILINE)
    assert len(found) * 2 == block[1].count("\n")
    return found


def verify(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "data/verify.py", "."],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("name", "command"), examples(), ids=[name for name, _ in examples()])
def test_each_example_of_tampering_is_found(
    handed_out: HandedOut, tmp_path: Path, name: str, command: str
) -> None:
    with zipfile.ZipFile(io.BytesIO(handed_out.zip)) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / handed_out.folder
    assert verify(folder)[0] == 0
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    subprocess.run(["sh", "-ec", command], cwd=folder, check=True, env={"PATH": "/usr/bin:/bin"})
    assert before != {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    code, words = verify(folder)
    assert code == 1, words
    assert "BROKEN" in words
