"""A disk that takes nothing any more: whoever asks is told so, and what was promised is there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.tus import UPLOADS
from tests.bureau import Bureau
from tests.faults.people import People
from tests.faults.server_within import ServerWithin
from tests.faults.small_disk import (
    MIB,
    FailingDisk,
    SmallDisk,
    failing_disk,
    place_for_all,
    small_disk,
)

__all__ = ["failing_disk", "place_for_all", "small_disk"]

pytestmark = pytest.mark.one_box("PostgreSQL has its own disk")


@pytest.fixture
def server_within(bureau: Bureau, failing_disk: FailingDisk) -> Iterator[ServerWithin]:
    server = ServerWithin(bureau, failing_disk)
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("alone", [False, True], ids=["with its store", "alone"])
def test_a_database_whose_disk_fails_under_it_has_kept_what_it_promised(
    server_within: ServerWithin, failing_disk: FailingDisk, tmp_path: Path, alone: bool
) -> None:
    if alone:
        server_within.environ["ZHENGLIAN_STORE_URL"] = (tmp_path / "store").as_uri()
    server_within.start_brisk_worker()
    server_within.start()
    people = People(server_within)
    people.begin(100_000, 100_000)
    half, last = people.begin(3 * MIB, MIB), people.begin(MIB, MIB - 1)
    failing_disk.fail()
    for answer in (
        people.tus.ask("POST", UPLOADS, {"Upload-Length": "9"}),
        people.send(half, MIB),
        people.send(last, 1),
    ):
        people.assert_told_to_try_again(answer)
    assert "database" in people.unready()
    assert people.tus.ask("HEAD", half.where).offset >= MIB
    server_within.kill_web()
    server_within.kill_worker()
    # Also of the requests that could not be written down.
    assert all(json.loads(line) for line in server_within.said("web").splitlines())
    failing_disk.mend()
    server_within.start_brisk_worker()
    server_within.start()
    people.finish_all()
    server_within.stop()
    server_within.take_out(tmp_path / "afterwards")
    people.assert_nothing_is_lost()


@pytest.mark.parametrize("start", [["server.serve", "--port", "1"], ["server.worker"]])
def test_on_a_disk_that_is_read_only_from_the_beginning_nothing_begins_and_a_sentence_says_so(
    bureau: Bureau, small_disk: SmallDisk, start: list[str]
) -> None:
    server = ServerWithin(bureau, small_disk)
    with small_disk.read_only():
        done = subprocess.run(
            [*small_disk.entering, sys.executable, "-m", *start],
            env=server.environ,
            check=False,
            timeout=60,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("The database of ZHENGLIAN_DATABASE_URL refuses: unable to open")
