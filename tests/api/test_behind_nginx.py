"""Originals through nginx by X-Accel-Redirect: the right bytes, our words, and no way round.

`bring` uploads through nginx; `past` asks a web process itself, as whoever is on its machine may.
"""

from __future__ import annotations

import hashlib
import random
import statistics
import time
from dataclasses import dataclass

import pytest

from tests.api.tus import Answer, Tus, metadata
from tests.front import Front, TusPast
from tests.live import ROOT, LiveServer

pytestmark = pytest.mark.one_box("nginx reads originals from the disk")

VIDEO = ROOT / "tests" / "golden" / "media" / "max-heromode.mp4"
TOLD_LATE = 0.5  # seconds: ten times what is wanted, for a machine with other work


@dataclass(frozen=True)
class Kept:
    """An exhibit and its bytes."""

    content: bytes
    path: str

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()}"'

    @property
    def way(self) -> str:
        digest = self.etag.strip('"')
        return f"/originals/{digest[:2]}/{digest[2:4]}/{digest}"


def bring(front: LiveServer, content: bytes, claim: str = "") -> Kept:
    station = Tus(front)
    sha256 = hashlib.sha256(content).hexdigest()
    claims = metadata(filename="现场.mp4", sha256=claim or sha256)
    where = station.create(len(content), {"Upload-Metadata": claims})
    assert station.send(where, 0, content).offset == len(content)
    told = station.state(where)
    assert told["state"] == ("quarantined" if claim else "sealed")
    return Kept(content, told["exhibit"])


@pytest.fixture(scope="module")
def kept(front: Front) -> Kept:
    return bring(front, random.Random(451).randbytes(3_000_017))


@pytest.fixture
def supervisor(front: Front) -> Tus:
    return Tus(front, front.tokens["supervisor"])


@pytest.fixture
def past(front: Front) -> TusPast:
    return TusPast(front, 0, front.tokens["supervisor"])


def get(who: Tus, kept: Kept, query: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return who.ask("GET", f"{kept.path}/original{query}", dict(named))


def events(who: Tus, kept: Kept, kind: str) -> int:
    told = who.ask("GET", f"{kept.path}/custody").json
    return sum(event["kind"] == kind for event in told["events"])


# ── the bytes and what is said of them ───────────────────────────────────────────────────


def test_a_download_is_whole_and_carries_our_words_not_those_of_the_file(
    supervisor: Tus, kept: Kept
) -> None:
    before = events(supervisor, kept, "exhibit:downloaded")
    answer = get(supervisor, kept)
    assert (answer.status, answer.body == kept.content) == (200, True)
    assert answer.headers.get_all("ETag") == [kept.etag]
    assert answer.headers["Last-Modified"] is None
    assert answer.headers["Content-Length"] == str(len(kept.content))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert "filename*=UTF-8''%E7%8E%B0%E5%9C%BA.mp4" in answer.headers["Content-Disposition"]
    assert answer.headers.get_all("Cache-Control") == ["private, no-store"]
    assert answer.headers.get_all("Accept-Ranges") == ["bytes"]
    assert events(supervisor, kept, "exhibit:downloaded") == before + 1


def test_nothing_that_a_web_process_says_itself_is_lost_in_nginx(
    supervisor: Tus, kept: Kept
) -> None:
    # With If-Match the bytes come from the web process.
    ours, theirs = get(supervisor, kept, If_Match="*"), get(supervisor, kept)
    assert ours.body == theirs.body == kept.content
    for name in {name.lower() for name in ours.headers} - {"date", "x-request-id"}:
        assert theirs.headers.get_all(name) == ours.headers.get_all(name), name
    assert len(theirs.headers["X-Request-Id"]) == 32
    assert theirs.headers["Strict-Transport-Security"]
    assert theirs.headers["Server"] == "nginx"


RANGES = [
    ("bytes=0-", 0, None),
    ("bytes=0-0", 0, 1),
    ("bytes=1048575-1048577", 1048575, 1048578),
    ("bytes=2999999-", 2999999, None),
    ("bytes=3000000-9999999", 3000000, None),
    ("bytes=-17", -17, None),
    ("bytes=-99999999", 0, None),
    ("Bytes=5-6", 5, 7),
    ("bytes= 5-6", 5, 7),
]


@pytest.mark.parametrize(("asked", "first", "end"), RANGES)
def test_a_stretch_is_that_stretch(
    supervisor: Tus, past: TusPast, kept: Kept, asked: str, first: int, end: int | None
) -> None:
    theirs, ours = get(supervisor, kept, Range=asked), get(past, kept, Range=asked)
    assert (theirs.status, ours.status) == (206, 206)
    assert theirs.body == ours.body == kept.content[first:end]
    assert theirs.headers["Content-Range"] == ours.headers["Content-Range"]
    assert theirs.headers["Content-Length"] == ours.headers["Content-Length"]
    assert theirs.headers["ETag"] == kept.etag


@pytest.mark.parametrize(
    "asked",
    ["bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-", "bytes=0-" + "9" * 30],
)
def test_a_range_that_counts_for_nothing_gets_everything(
    supervisor: Tus, kept: Kept, asked: str
) -> None:
    answer = get(supervisor, kept, Range=asked)
    assert (answer.status, answer.body == kept.content) == (200, True)


@pytest.mark.parametrize("asked", ["bytes=3000017-", "bytes=99999999-", "bytes=-0"])
def test_a_stretch_beyond_the_end_is_refused_by_us_and_is_no_event(
    supervisor: Tus, kept: Kept, asked: str
) -> None:
    before = events(supervisor, kept, "exhibit:downloaded")
    answer = get(supervisor, kept, Range=asked)
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */3000017")
    assert answer.headers["ETag"] == kept.etag
    assert events(supervisor, kept, "exhibit:downloaded") == before


@pytest.mark.parametrize(
    "other", ['"other"', "Tue, 24 Nov 2026 00:00:00 GMT", 'W/"x"', "Thu, 01 Jan 1970 00:00:00 GMT"]
)
def test_if_range_goes_on_with_our_tag_and_begins_anew_with_any_other(
    supervisor: Tus, kept: Kept, other: str
) -> None:
    same = get(supervisor, kept, Range="bytes=7-16", If_Range=kept.etag)
    assert (same.status, same.body) == (206, kept.content[7:17])
    changed = get(supervisor, kept, Range="bytes=7-16", If_Range=other)
    assert (changed.status, changed.body == kept.content) == (200, True)


def test_bytes_that_the_client_has_are_not_sent_whatever_the_files_time(
    supervisor: Tus, kept: Kept
) -> None:
    before = events(supervisor, kept, "exhibit:downloaded")
    for tag in (kept.etag, f"W/{kept.etag}", "*"):
        answer = get(supervisor, kept, If_None_Match=tag)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", kept.etag)
    assert events(supervisor, kept, "exhibit:downloaded") == before
    late = "Fri, 01 Jan 2100 00:00:00 GMT"
    for headers in ({"If_Modified_Since": late}, {"If_None_Match": '"other"'}):
        assert get(supervisor, kept, **headers).body == kept.content


@pytest.mark.parametrize(
    ("name", "value"),
    [("If_Match", '"other"'), ("If_Unmodified_Since", "Thu, 01 Jan 1970 00:00:00 GMT")],
)
def test_what_we_do_not_judge_nginx_does_not_judge_either(
    supervisor: Tus, kept: Kept, name: str, value: str
) -> None:
    answer = get(supervisor, kept, **{name: value})
    assert (answer.status, answer.body == kept.content) == (200, True)


def test_a_head_tells_the_length_and_is_no_event(supervisor: Tus, kept: Kept) -> None:
    before = events(supervisor, kept, "exhibit:downloaded")
    answer = supervisor.ask("HEAD", f"{kept.path}/original")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(kept.content))
    assert events(supervisor, kept, "exhibit:downloaded") == before


def test_an_empty_original_comes_through(front: Front, supervisor: Tus) -> None:
    kept = bring(front, b"")
    answer = get(supervisor, kept)
    assert (answer.status, answer.body, answer.headers["ETag"]) == (200, b"", kept.etag)


def test_quarantined_bytes_come_from_us_and_not_from_the_originals(
    front: Front, supervisor: Tus
) -> None:
    kept = bring(front, b"not what was claimed", claim="ab" * 32)
    answer = get(supervisor, kept, Range="bytes=4-")
    assert (answer.status, answer.body) == (206, kept.content[4:])
    assert not (front.originals.parent / kept.way[1:]).exists()


def test_an_original_that_was_cut_on_the_disk_is_not_served_and_is_no_event(
    front: Front, supervisor: Tus
) -> None:
    kept = bring(front, b"to be cut short")
    path = front.originals.parent / kept.way[1:]
    path.chmod(0o640)
    path.write_bytes(kept.content[:-1])
    assert get(supervisor, kept).status == 500
    assert events(supervisor, kept, "exhibit:downloaded") == 0


# ── who asks, and who does not ───────────────────────────────────────────────────────────


def test_the_file_is_there_for_nobody_who_asks_for_it_himself(
    front: Front, supervisor: Tus, kept: Kept
) -> None:
    assert (front.originals.parent / kept.way[1:]).read_bytes() == kept.content
    for way in (
        kept.way,
        f"/originals/../originals{kept.way[10:]}",
        kept.way.replace("o", "%6F", 1),
    ):
        for method in ("GET", "HEAD"):
            assert supervisor.ask(method, way).status == 404, way
    for way in ("/originals/", "/originals", "/originals/../staging/", "/originals../quarantine"):
        assert supervisor.ask("GET", way).status == 404, way


def test_who_may_not_have_the_bytes_does_not_get_them(front: Front, kept: Kept) -> None:
    assert get(Tus(front, None), kept).status == 401
    assert get(Tus(front, front.tokens["auditor"]), kept).status == 403
    assert get(Tus(front, front.tokens["street_officer"]), kept).status in (403, 404)


def test_the_way_to_the_file_is_told_to_no_client(
    supervisor: Tus, past: TusPast, kept: Kept
) -> None:
    for answer in (
        get(supervisor, kept),
        get(supervisor, kept, X_Accel_Originals="/elsewhere/"),
        get(past, kept),
        get(past, kept, X_Accel_Originals="/elsewhere/"),
        get(past, kept, X_Accel_Originals="/originals"),
    ):
        assert (answer.status, answer.body == kept.content) == (200, True)
        assert "X-Accel-Redirect" not in answer.headers


def test_only_a_proxy_that_asks_is_told_the_way(past: TusPast, kept: Kept) -> None:
    before = events(past, kept, "exhibit:downloaded")
    answer = get(past, kept, X_Accel_Originals="/originals/")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["X-Accel-Redirect"] == kept.way
    # The event is there before nginx can send a byte.
    assert events(past, kept, "exhibit:downloaded") == before + 1


def test_figures_are_not_for_those_outside(supervisor: Tus) -> None:
    assert supervisor.ask("GET", "/metrics").status == 404


def test_a_client_cannot_say_that_it_is_somebody_else(front: Front, supervisor: Tus) -> None:
    claims: dict[str, str | None] = {
        "X-Forwarded-For": "10.1.2.3",
        "Forwarded": "for=10.1.2.3;proto=http",
        "X-Forwarded-Proto": "http",
    }
    identifier = supervisor.ask("GET", "/healthz", claims).headers["X-Request-Id"]
    line = next(line for line in front.web_log() if line["request"] == identifier)
    assert line["from"] == "127.0.0.1"
    assert front.line_of(identifier)["from"] == "127.0.0.1"


def test_a_path_stands_in_nginxs_log_and_no_query(front: Front, supervisor: Tus) -> None:
    answer = supervisor.ask("GET", "/api/v1/exhibits?text=secretword")
    assert front.line_of(answer.headers["X-Request-Id"])["path"] == "/api/v1/exhibits"
    assert "secretword" not in (front.folder / "access.log").read_text()


# ── playing ──────────────────────────────────────────────────────────────────────────────


def test_the_first_byte_of_a_recording_is_there_before_anybody_waits(
    front: Front, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = bring(front, VIDEO.read_bytes())
    officer = Tus(front, front.tokens["leader"])
    until = time.monotonic() + 30
    while officer.ask("GET", kept.path).json["media"]["state"] == "pending":
        assert time.monotonic() < until
        time.sleep(0.05)
    took = []
    connection = officer.connect()
    for start in range(0, 200_000, 10_000):
        began = time.perf_counter()
        headers = officer.headers({"Range": f"bytes={start}-"})
        connection.request("GET", f"{kept.path}/original?play=1", headers=headers)
        answer = connection.getresponse()
        first = answer.read(1)
        took.append(time.perf_counter() - began)
        assert (answer.status, first + answer.read()) == (206, kept.content[start:])
    connection.close()
    assert events(Tus(front, front.tokens["supervisor"]), kept, "exhibit:played") == 1
    with capsys.disabled():
        told = f"median {statistics.median(took) * 1000:.0f} ms, longest {max(took) * 1000:.0f} ms"
        print(f"\nfirst byte of a recording through nginx: {told}")
    assert statistics.median(took) < TOLD_LATE
