"""Recordings that the media tools read by stretches: the same facts, few bytes, no other eyes."""

from __future__ import annotations

import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from evidence.errors import MediaUnreadable, StorageUnavailable
from evidence.exhibits.models import MediaState
from evidence.exhibits.reading import read
from evidence.media import limits, probe, sniff
from evidence.media.lending import lent
from evidence.media.limits import Source
from evidence.storage.filesystem import FilesystemStore
from evidence.storage.memory import MemoryStore
from tests.contracts.stores import filed

# What recorders write: the index before the pictures, behind them, in pieces, or not at all.
WRITTEN = {
    "first.mp4": ["-movflags", "+faststart"],
    "last.mp4": [],
    "pieces.mp4": ["-movflags", "frag_keyframe+empty_moov"],
    "a.mov": [],
    "a.mkv": [],
    "a.avi": [],
    "a.ts": [],
    "a.wav": ["-vn"],
    "a.m4a": ["-vn"],
}


def recorded(path: Path, seconds: int, arguments: list[str]) -> bytes:
    """A recording of noise, which no encoder makes small: some 2 MB a second."""
    sources = ["nullsrc=s=320x240:r=25,geq=random(1)*255:128:128", "sine=frequency=300"]
    inputs = [word for source in sources for word in ("-f", "lavfi", "-i", source)]
    shape = ["-t", str(seconds), "-c:v", "mpeg4", "-q:v", "3", "-g", "25"]
    command = ["ffmpeg", "-v", "error", "-y", *inputs, *shape, *arguments, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.read_bytes()


class Remote(MemoryStore):
    """As a service: what is read of it counts, a copy of the whole too."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.copies = 0, 0
        self.breaks_after: int | None = None  # bytes of each stretch, but for the first look

    def read(self, sha256: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        left = None if length == sniff.HEAD_BYTES else self.breaks_after
        for piece in super().read(sha256, start, length):
            self.asked += len(piece)
            if left is not None and left < len(piece):
                yield piece[:left]
                raise StorageUnavailable()
            yield piece
            left = None if left is None else left - len(piece)

    def local_path(self, sha256: str) -> AbstractContextManager[Path]:
        self.copies += 1
        return super().local_path(sha256)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_recording_is_read_by_stretches_as_from_a_file(name: str, tmp_path: Path) -> None:
    content = recorded(tmp_path / name, 4, WRITTEN[name])
    here, remote = FilesystemStore(tmp_path / "store"), Remote()
    digest = filed(here, content)
    assert digest == filed(remote, content)
    from_file, by_stretches = read(here, digest, name), read(remote, digest, name)
    assert from_file == by_stretches
    assert by_stretches.state is MediaState.READ
    assert by_stretches.duration_ms == pytest.approx(4000, abs=200)
    assert remote.copies == 0


def test_of_a_long_recording_little_is_read(tmp_path: Path) -> None:
    content = recorded(tmp_path / "long.mp4", 40, [])
    remote = Remote()
    assert len(content) > 60_000_000
    assert read(remote, filed(remote, content), "long.mp4").state is MediaState.READ
    assert remote.copies == 0
    assert remote.asked < len(content) / 2


@pytest.mark.parametrize("name", WRITTEN)
def test_where_the_way_breaks_a_copy_decides(name: str, tmp_path: Path) -> None:
    """Also where the tools had found enough to go on with, of another picture."""
    content = recorded(tmp_path / name, 4, WRITTEN[name])
    here = FilesystemStore(tmp_path / "store")
    digest = filed(here, content)
    whole = read(here, digest, name)
    copies = 0
    for after in (0, 300, 40_000, 150_000, 400_000, len(content) // 3, len(content) - 1):
        remote = Remote()
        filed(remote, content)
        remote.breaks_after = after
        assert read(remote, digest, name) == whole
        copies += remote.copies
    assert copies


@pytest.mark.parametrize("name", ["first.mp4", "last.mp4", "pieces.mp4", "a.avi", "a.ts"])
def test_of_a_cut_recording_the_same_is_told(name: str, tmp_path: Path) -> None:
    whole = recorded(tmp_path / name, 4, WRITTEN[name])
    here, remote = FilesystemStore(tmp_path / "store"), Remote()
    for share in (0.02, 0.5, 0.98):
        content = whole[: int(len(whole) * share)]
        told = read(remote, filed(remote, content), name)
        assert told == read(here, filed(here, content), name)
        assert "127.0.0.1" not in (told.problem or "")
        assert told.state is MediaState.READ or remote.copies


CONTENT = bytes(range(256)) * 10


@pytest.fixture
def source() -> Iterator[Source]:
    def stretch(start: int, length: int) -> Iterator[bytes]:
        yield CONTENT[start : start + length]

    with lent(len(CONTENT), stretch) as loan:
        yield loan.source


def ask(source: Source, **headers: str) -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection(source.address.split("/")[2], timeout=10)
    connection.request("GET", "/recording", headers=headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read(), answer.headers["Content-Range"]
    finally:
        connection.close()


def test_a_stretch_is_what_was_asked_for(source: Source) -> None:
    assert ask(source) == (206, CONTENT, "bytes 0-2559/2560")
    assert ask(source, Range="bytes=5-") == (206, CONTENT[5:], "bytes 5-2559/2560")
    assert ask(source, Range="bytes=5-9") == (206, CONTENT[5:10], "bytes 5-9/2560")
    assert ask(source, Range="bytes=5-9999") == (206, CONTENT[5:], "bytes 5-2559/2560")
    for nothing in ("bytes=2560-", "bytes=-5", "pages=1-2"):
        assert ask(source, Range=nothing) == (416, b"", "bytes */2560")


def test_another_account_of_the_machine_is_not_answered(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(source)


def test_nothing_is_lent_any_longer_once_it_was_read() -> None:
    with lent(1, lambda *_: iter([b"1"])) as loan:
        assert ask(loan.source)[0] == 206
    with pytest.raises(ConnectionRefusedError):
        ask(loan.source)


def test_less_than_was_asked_for_is_noticed() -> None:
    with lent(3, lambda *_: iter([b"12"])) as loan:
        with pytest.raises(http.client.IncompleteRead):
            ask(loan.source)
        assert loan.broken


def test_a_tool_that_may_ask_the_loopback_opens_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorded(path, 1, [])
    with pytest.raises(MediaUnreadable, match="Invalid argument"):
        probe.recording(Source(limits.local(path).address, "http,tcp"))
