"""The dock against the real server: whatever is killed, what was acknowledged is not sent again."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.docking import report
from scripts.docking.deliver import Outcome, Result
from scripts.docking.words import Words
from tests.live import LiveServer

DOCK = Path(__file__).resolve().parents[2] / "scripts" / "dock"
MIB = 1024 * 1024


def start(server: LiveServer, card: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, str(DOCK), str(card), "--server", server.url,
            "--token-file", str(server.station_token_file), "--recorder", "HD-012",
            "--state", str(card.parent / "state"), "--json", "--lang", "en", *options,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(dock: subprocess.Popen[str], code: int = 0) -> dict[str, dict[str, Any]]:
    """The JSON line of each file, by its name."""
    out, err = dock.communicate(timeout=60)
    assert dock.returncode == code, out + err
    return {line["file"]: line for line in map(json.loads, out.splitlines())}


def docked(server: LiveServer, card: Path, *options: str, code: int = 0) -> dict[str, Any]:
    return ended(start(server, card, *options), code)


def until_it_says(dock: subprocess.Popen[str], words: str) -> None:
    assert dock.stderr is not None
    assert any(words in line for line in iter(dock.stderr.readline, "")), words


def offset_noted(server: LiveServer, state: Path) -> int:
    """Where the server stands with the one upload that the dock's state names."""
    rows = sqlite3.connect(state / "uploads.db")
    ((location,),) = rows.execute("SELECT location FROM uploads").fetchall()
    rows.close()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Authorization": f"Bearer {server.tokens['station']}", "Tus-Resumable": "1.0.0"}
    connection.request("HEAD", location, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return int(answer.headers["Upload-Offset"])


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    return folder


def record(card: Path, name: str, size: int) -> str:
    """A recording on the card; its SHA-256."""
    content = os.urandom(size)
    (card / name).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_a_card_is_sealed_sent_once_and_cleared_on_the_servers_receipt(
    live_server: LiveServer, card: Path
) -> None:
    name = "BWC_HD012@A0001_20230915_093000_001.mp4"
    digest = record(card, name, 3 * MIB)
    record(card, "unlike\u202e.jpg", 100)
    lines = docked(live_server, card)
    assert {line["state"] for line in lines.values()} == {"sealed"}
    assert lines[name]["sha256"] == digest
    assert lines[name]["recorded_at"] == "2023-09-15T09:30:00+08:00"
    again = docked(live_server, card, "--wipe")
    assert all(line["before_this_run"] and line["removed"] for line in again.values())
    assert [line["sent"] for line in again.values()] == [0, 0]
    assert list(card.iterdir()) == []


def test_the_same_bytes_under_another_name_are_the_same_original(
    live_server: LiveServer, card: Path
) -> None:
    record(card, "a.mp4", MIB)
    (card / "b.mp4").write_bytes((card / "a.mp4").read_bytes())
    lines = docked(live_server, card, "--wipe")
    assert {line["exhibit"] for line in lines.values()} == {lines["a.mp4"]["exhibit"]}
    assert list(card.iterdir()) == []


def test_whoever_docks_is_told_that_no_unit_has_a_recording(
    live_server: LiveServer, card: Path
) -> None:
    record(card, "REC_0001.mp4", 1000)
    flags = docked(live_server, card, "--recorder", "XX-404")["REC_0001.mp4"]["flags"]
    assert "recorder_unknown" in flags
    sealed = Result(name="REC_0001.mp4", outcome=Outcome.SEALED, flags=flags)
    assert "Give --recorder before you send" in report.line(sealed, Words("en"))
    named = replace(sealed, recorder="XX-404")
    assert "the recorder XX-404 is not in the register" in report.line(named, Words("en"))
    again = replace(named, earlier=True)
    assert "--recorder changes that no more" in report.line(again, Words("en"))
    record(card, "REC_0002.mp4", 1001)
    known = docked(live_server, card)["REC_0002.mp4"]["flags"]
    assert "recorder_unknown" not in known


def test_two_docks_on_one_card_agree(live_server: LiveServer, card: Path) -> None:
    record(card, "a.mp4", 24 * MIB)
    docks = [start(live_server, card), start(live_server, card)]
    first, second = (ended(dock)["a.mp4"] for dock in docks)
    assert first["state"] == second["state"] == "sealed"
    assert first["exhibit"] == second["exhibit"]


def test_a_killed_dock_sends_exactly_what_the_server_had_not_acknowledged(
    live_server: LiveServer, card: Path
) -> None:
    digest = record(card, "long.mp4", 192 * MIB)
    dock = start(live_server, card)
    until_it_says(dock, "sending")
    dock.send_signal(signal.SIGKILL)
    dock.communicate()
    had = offset_noted(live_server, card.parent / "state")
    line = docked(live_server, card)["long.mp4"]
    assert (line["state"], line["sha256"]) == ("sealed", digest)
    assert line["sent"] <= 192 * MIB - had


def test_a_server_killed_in_mid_file_gets_the_rest_when_it_is_back(
    own_server: LiveServer, card: Path
) -> None:
    digest = record(card, "long.mp4", 128 * MIB)
    own_server.start()
    dock = start(own_server, card, "--wipe")
    until_it_says(dock, "sending")
    own_server.kill_web()
    until_it_says(dock, "trying again")
    own_server.start_web()
    line = ended(dock)["long.mp4"]
    assert (line["state"], line["sha256"], line["removed"]) == ("sealed", digest, True)


def test_a_token_that_is_not_valid_is_named_and_the_card_kept(
    live_server: LiveServer, card: Path, tmp_path: Path
) -> None:
    record(card, "a.mp4", 100)
    token = tmp_path / "token"
    key = live_server.station_token_file.read_text().splitlines()[1]
    token.write_text(f"zl_of-another-year\n{key}\n")
    token.chmod(0o600)
    line = docked(live_server, card, "--token-file", str(token), "--wipe", code=1)["a.mp4"]
    assert line["code"] == "token_refused"
    assert (card / "a.mp4").exists()
