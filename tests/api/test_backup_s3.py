"""scripts/backup and scripts/restore of a bureau whose originals are in an S3 service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.storage.filesystem import FilesystemStore
from evidence.storage.s3 import S3Store
from server.mirroring import mirror
from tests import s3_service
from tests.api.tus import Tus, metadata
from tests.contracts.stores import sha256
from tests.day import RECORDINGS, Day, day, day_template, run
from tests.faults.test_kill import until
from tests.live import LiveServer
from tests.unit.test_mirroring import everything

__all__ = ["day", "day_template"]

pytestmark = pytest.mark.grown_up
FIRST = sha256(next(iter(RECORDINGS.values())))


class Far:
    """The day, with its store in a bucket; nothing of it is in the data folder."""

    def __init__(self, day: Day) -> None:
        self.day, self.url = day, s3_service.new_place()
        self.store = S3Store(self.url, day.data / "tmp")
        mirror(FilesystemStore(day.store), self.store)
        day.store.rename(day.data.parent / "not here any more")

    def backed_up(self, *arguments: object, code: int = 0) -> Path:
        folder = self.day.data.parent / f"backups{len(list(self.day.data.parent.glob('backups*')))}"
        found, said = run(
            "backup", folder, "--data", self.day.data, *arguments, ZHENGLIAN_STORE_URL=self.url
        )
        assert found == code, said
        (made,) = folder.iterdir()
        return made

    def lose(self, sha256: str) -> None:
        """The data of an original, as a service might; its name is still there."""
        pointer = self.store.pointer(f"originals/{sha256[:2]}/{sha256[2:4]}/{sha256}")
        assert pointer is not None
        self.store.bucket.delete_all(pointer.key)


@pytest.fixture
def far(day: Day) -> Iterator[Far]:
    far = Far(day)
    yield far
    far.store.close()


def restored(backup: Path, to: Path, store: str) -> tuple[int, str]:
    return run("restore", backup, "--data", to, "--store", store)


def test_it_is_put_back_into_another_bucket_and_goes_on(far: Far, tmp_path: Path) -> None:
    backup, bucket = far.backed_up(), s3_service.new_locked_bucket()
    held = everything(far.store)
    far.store.bucket.delete_all("")
    to = tmp_path / "again"
    code, said = restored(backup, to, bucket)
    assert (code, "RESTORED, WHOLE" in said) == (0, True), said
    assert not (to / "store").exists()
    there = S3Store(bucket, tmp_path / "tmp")
    # Of the log, what is needed now: narrower tiles of when it was smaller are not kept.
    assert everything(there).items() <= held.items()
    assert {name for name in held if "tile" not in name} <= set(everything(there))
    assert list(there.staged()) == []
    there.close()
    code, said = run("log-audit", "--data", to, ZHENGLIAN_STORE_URL=bucket)
    assert (code, "WHOLE" in said) == (0, True), said
    server = LiveServer(replace(far.day.bureau, data=to), {"ZHENGLIAN_STORE_URL": bucket})
    try:
        server.start()
        auditor = Tus(server, server.tokens["supervisor"])
        exhibits = auditor.ask("GET", "/api/v1/exhibits?state=sealed").json["items"]
        read = {auditor.ask("GET", f"/api/v1/exhibits/{e['id']}/original").body for e in exhibits}
        assert read == set(RECORDINGS.values())
        dock, content = Tus(server), b"after the loss"
        where = dock.create(14, {"Upload-Metadata": metadata(sha256=sha256(content))})
        dock.send(where, 0, content)
        exhibit = dock.state(where)["exhibit"]
        until(lambda: auditor.ask("GET", f"{exhibit}/proof").status == 200)
    finally:
        server.stop()


def test_an_original_that_the_service_lost_is_named_by_backup_and_restore(
    far: Far, tmp_path: Path
) -> None:
    far.lose(FIRST)
    backup = far.backed_up(code=1)
    problems = json.loads((backup / "backup.json").read_text())["problems"]
    assert any(f"its original {FIRST} is missing" in words for words in problems), problems
    code, said = restored(backup, tmp_path / "again", s3_service.new_place())
    assert (code, said.count("is missing")) == (1, 1), said
    assert f"its original {FIRST} is missing" in said
    assert "✗ E" in said


def test_a_list_of_originals_is_put_back_over_the_bucket_that_has_them(
    far: Far, tmp_path: Path
) -> None:
    backup = far.backed_up("--originals", "list")
    assert not list((backup / "store" / "originals").iterdir())
    listed = dict(line.split() for line in (backup / "originals.txt").read_text().splitlines())
    assert listed == {sha256(content): str(len(content)) for content in RECORDINGS.values()}
    code, said = restored(backup, tmp_path / "one", far.url)
    assert (code, "RESTORED, WHOLE" in said) == (0, True), said
    far.lose(FIRST)
    code, said = restored(backup, tmp_path / "two", far.url)
    assert (code, said.count("is missing")) == (1, 1), said
    assert f"its original {FIRST} is missing" in said
    code, said = restored(backup, tmp_path / "three", s3_service.new_place())
    assert (code, said.count("is missing")) == (1, len(RECORDINGS)), said


def test_while_the_store_is_moved_both_are_backed_up_as_one(far: Far, tmp_path: Path) -> None:
    moving = {
        "ZHENGLIAN_STORE_URL": s3_service.new_place(),
        "ZHENGLIAN_STORE_OLD_URL": far.url,
    }
    code, said = run("backup", tmp_path / "b", "--data", far.day.data, **moving)
    assert (code, "3 originals" in said) == (0, True), said
    (backup,) = (tmp_path / "b").iterdir()
    code, said = restored(backup, tmp_path / "again", s3_service.new_place())
    assert (code, "RESTORED, WHOLE" in said) == (0, True), said


def test_what_a_bucket_has_lost_is_put_back_into_it(far: Far, tmp_path: Path) -> None:
    backup, held = far.backed_up(), everything(far.store)
    far.lose(FIRST)
    code, said = restored(backup, tmp_path / "again", far.url)
    assert (code, "RESTORED, WHOLE" in said) == (0, True), said
    assert everything(far.store) == held
