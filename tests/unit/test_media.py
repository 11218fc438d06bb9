"""Media tools on bytes that nobody vouches for: what they say, and what they cannot do."""

from __future__ import annotations

import http.server
import io
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from evidence.errors import MediaToolFailed, MediaToolOverran, MediaUnreadable
from evidence.exhibits.models import MediaState
from evidence.exhibits.reading import read
from evidence.media import limits, poster, probe, sniff
from evidence.storage.port import Store
from tests.contracts.stores import filed, open_store

MEDIA = Path(__file__).resolve().parents[1] / "golden" / "media"
FILM, PHOTO = MEDIA / "max-heromode.mp4", MEDIA / "DSCN0010.jpg"


# One that keeps its originals as files, and one whose originals are lent to the tools.
@pytest.fixture(params=["filesystem", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store(request.param, tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def make(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return make


def test_a_film_is_read_with_a_poster(store: Store) -> None:
    reading = read(store, filed(store, FILM.read_bytes()), "a.mp4")
    assert (reading.state, reading.media_type) == (MediaState.READ, "video/mp4")
    assert (reading.width, reading.height) == (848, 480)
    assert reading.duration_ms == pytest.approx(11_000, abs=500)
    assert reading.details["creation_time"] == "2019-11-18T15:45:32.000000Z"
    assert reading.poster_sha256
    assert store.derivative(reading.poster_sha256)[:3] == b"\xff\xd8\xff"


def test_a_photograph_is_read_with_its_place(store: Store) -> None:
    reading = read(store, filed(store, PHOTO.read_bytes()), "DSCN0010.jpg")
    assert (reading.state, reading.media_type) == (MediaState.READ, "image/jpeg")
    assert (reading.details["make"], reading.details["model"]) == ("NIKON", "COOLPIX P6000")
    assert reading.details["location"].startswith("+43.467448+011.885127")
    assert reading.poster_sha256


def test_a_zip_called_mp4_is_kept_and_marked(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a.txt", "a")
    reading = read(store, filed(store, path.read_bytes()), "a.mp4")
    assert (reading.state, reading.media_type) == (MediaState.NOT_MEDIA, "application/zip")
    assert reading.contradicts_name


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (b"", MediaState.UNREADABLE),
        (b"\0" * 5000, MediaState.NOT_MEDIA),
        (b"\0\0\0\x20ftypisom" + b"\xff" * 5000, MediaState.UNREADABLE),
        (b"\xff\xd8\xff\xe0" + b"\0" * 100, MediaState.UNREADABLE),
    ],
)
def test_what_cannot_be_read_says_why(
    store: Store, made: Callable[[str, bytes], Path], content: bytes, state: MediaState
) -> None:
    reading = read(store, filed(store, content), "a.mp4")
    assert reading.state is state
    assert reading.problem or state is MediaState.NOT_MEDIA
    assert "/" not in (reading.problem or "")


def test_a_cut_recording_says_so_without_telling_where_files_are(
    store: Store, made: Callable[[str, bytes], Path]
) -> None:
    whole = FILM.read_bytes()
    for share in (0.2, 0.6, 0.95):
        reading = read(store, filed(store, whole[: int(len(whole) * share)]), "cut.mp4")
        assert reading.state in (MediaState.UNREADABLE, MediaState.PARTIAL)
        assert reading.problem
        assert "cut.mp4" not in reading.problem


@pytest.mark.parametrize("name", ["bomb.png", "progressive.jpg"])
def test_a_picture_that_unpacks_to_gigabytes_is_not_opened(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.new("L", (16_000, 3_200)).save(path, progressive=True)  # a word that PNG ignores
    with pytest.raises(MediaUnreadable, match="16000 × 3200 pixels"):
        probe.photograph(path)
    with pytest.raises(MediaUnreadable, match="too many to open"):
        poster.of_photograph(path)


def test_a_large_photograph_of_a_camera_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # a quarter to the right
    Image.new("RGB", (9_000, 6_000), "red").save(path, exif=exif)
    assert probe.photograph(path).width == 9_000
    with Image.open(io.BytesIO(poster.of_photograph(path))) as picture:
        assert picture.size == (427, 640)


# ── reach ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """An address in the network, and what was asked of it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_reaches_neither_the_network_nor_another_file(
    store: Store,
    made: Callable[[str, bytes], Path],
    listener: tuple[str, list[str]],
    kind: str,
) -> None:
    address, asked = listener
    secret = made("secret.mp4", FILM.read_bytes())
    for target in (f"{address}/a.mp4", str(secret), f"file:{secret}"):
        path = made("list.mp4", PLAYLISTS[kind].format(target=target).encode())
        assert read(store, filed(store, path.read_bytes()), "list.mp4").poster_sha256 is None
        # Also where the first bytes had let it through.
        with pytest.raises(MediaUnreadable):
            probe.recording(limits.local(path))
        with pytest.raises(MediaUnreadable):
            poster.of_recording(limits.local(path), 5000)
    assert asked == []


@pytest.mark.parametrize("name", ["-version.mp4", "http:__x.mp4", "a%03d", "a|b.mp4"])
def test_no_name_of_a_file_is_an_option_or_an_address(
    made: Callable[[str, bytes], Path], name: str
) -> None:
    assert probe.recording(limits.local(made(name, FILM.read_bytes()))).width == 848


# ── limits ───────────────────────────────────────────────────────────────────────────────
def test_a_tool_that_takes_too_long_is_ended_with_all_that_it_started() -> None:
    with pytest.raises(MediaToolOverran, match="more than 0 s"):
        limits.run(["sh", "-c", "sleep 61 & sleep 61"], seconds=0.2)
    left = subprocess.run(["pgrep", "-f", "^sleep 61$"], capture_output=True, check=False)
    assert left.stdout == b""


def test_a_tool_that_takes_too_much_memory_is_refused_it() -> None:
    with pytest.raises((MediaUnreadable, MediaToolOverran)):
        limits.run(["python3", "-c", f"bytearray({limits.MEMORY_BYTES})"])


def test_a_tool_that_writes_too_much_is_ended() -> None:
    with pytest.raises((MediaUnreadable, MediaToolOverran)):
        limits.run(["head", "-c", str(limits.OUTPUT_BYTES + 1), "/dev/zero"])


def test_a_tool_that_is_missing_is_no_fault_of_the_recording() -> None:
    with pytest.raises((MediaToolFailed, MediaUnreadable)) as raised:
        limits.run(["zhenglian-no-such-tool"])
    assert not isinstance(raised.value, MediaUnreadable), "prlimit speaks for the tool"


def test_a_tool_that_overran_is_told_of_the_recording_only_in_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.001)
    monkeypatch.setattr(limits.run, "__kwdefaults__", {"seconds": 0.001})
    with pytest.raises(MediaToolOverran):
        read(store, filed(store, FILM.read_bytes()), "a.mp4")
    reading = read(store, filed(store, FILM.read_bytes()), "a.mp4", give_up=True)
    assert reading.state is MediaState.UNREADABLE
    assert "took more than" in (reading.problem or "")


# ── what bytes are ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"\0\0\0\x18ftypqt  ", "video/quicktime"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"MZ\x90\0", "application/vnd.microsoft.portable-executable"),
        (b"<html><script>", "application/octet-stream"),
        (b"", "application/octet-stream"),
        (b"\x47" + b"\0" * 187 + b"\x47\0", "video/mp2t"),
    ],
)
def test_bytes_are_what_they_begin_with(head: bytes, found: str) -> None:
    assert sniff.media_type(head) == found


def test_only_a_name_that_promises_something_is_contradicted() -> None:
    assert sniff.contradicts("a.MP4", "application/zip")
    assert not sniff.contradicts("a.mp4", "video/quicktime")
    assert not sniff.contradicts("a.xyz", "application/zip")
    assert not sniff.contradicts("mp4", "application/zip")
