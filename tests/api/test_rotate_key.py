"""scripts/rotate-key, as an administrator uses it, on the data folder of a stopped server."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx

from evidence.custody.checkpoint import verify_checkpoint
from evidence.errors import SignatureInvalid
from tests.live import LiveServer

ROOT = Path(__file__).resolve().parents[2]


def rotate(server: LiveServer, act: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "rotate-key"), act, "--data", str(server.data)],
        check=False,
        capture_output=True,
        text=True,
        env=server.environ,
    )
    return done.returncode, done.stdout + done.stderr


def published(server: LiveServer) -> str:
    return httpx.get(f"{server.url}/log/checkpoint").text


def known(server: LiveServer) -> list[str]:
    return httpx.get(f"{server.url}/log/key").text.split()


def test_the_story_of_a_change_and_of_a_loss(own_server: LiveServer) -> None:
    own_server.start()
    (old,) = known(own_server)
    code, words = rotate(own_server, "begin")
    assert (code, "Stop" in words) == (1, True)
    own_server.stop()
    code, words = rotate(own_server, "begin")
    assert code == 0
    new = words.split()[-1]
    own_server.start()
    assert known(own_server) == [new, old]
    note = until_signed(own_server, new)
    assert verify_checkpoint(note, old)
    own_server.stop()
    assert rotate(own_server, "finish")[0] == 0
    path = own_server.data / "keys" / "log.key"
    path.unlink()
    code, words = rotate(own_server, "lost")
    assert code == 0, words
    third = words.split()[-1]
    own_server.start()
    assert known(own_server) == [third]
    assert until_signed(own_server, third)
    assert third in words


def until_signed(server: LiveServer, key: str) -> str:
    """The published checkpoint, once this key has signed it."""
    until = time.monotonic() + 20
    while True:
        note = published(server)
        try:
            verify_checkpoint(note, key)
            return note
        except SignatureInvalid:
            assert time.monotonic() < until
            time.sleep(0.05)
