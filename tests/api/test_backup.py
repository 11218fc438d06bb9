"""scripts/backup and scripts/restore: a bureau is lost and put back; a tampered one is not."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from evidence.custody.tiles import tile_path, tiles_of
from evidence.storage.filesystem import FilesystemStore
from server import backup_folder, migrate
from server.backup_folder import file_digest
from tests.api.tus import Tus, metadata
from tests.bureau import Bureau
from tests.contracts.stores import sha256
from tests.day import RECORDINGS, Day, day, day_template, digests, opened, original_in, rows, run
from tests.faults.test_kill import until
from tests.live import LiveServer
from tests.postgresql import new_postgresql
from tests.unit.test_mirroring import bend, everything

__all__ = ["day", "day_template", "new_postgresql"]

# It brings its databases itself.
pytestmark = pytest.mark.one_box

FIRST = next(iter(RECORDINGS))
POSTER = b"poster"


def backed_up(day: Day, *arguments: object, code: int = 0) -> Path:
    """A backup of the day; its folder."""
    folder = day.data.parent / f"backups{len(list(day.data.parent.glob('backups*')))}"
    found, said = run("backup", folder, "--data", day.data, *arguments)
    assert found == code, said
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="session")
def backup_template(day_template: Bureau, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the day and a poster, made once a run."""
    day = Day(day_template.copy_to(tmp_path_factory.mktemp("backed up") / "day"))
    FilesystemStore(day.store).put_derivative(POSTER)
    return backed_up(day)


@pytest.fixture
def backup(backup_template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(backup_template, tmp_path / "backups" / backup_template.name)


def restored(backup: Path, to: Path, *arguments: object) -> tuple[int, str]:
    return run("restore", backup, "--data", to, *arguments)


def test_a_backup_is_a_bureau_that_can_be_started(day: Day, tmp_path: Path) -> None:
    before, held = digests(day.database), everything(FilesystemStore(day.store))
    backup = backed_up(day)
    assert digests(day.database) == before
    to = tmp_path / "again"
    code, said = restored(backup, to)
    assert (code, "RESTORED, WHOLE" in said) == (0, True), said
    assert digests(f"sqlite:///{to / 'zhenglian.db'}") == before
    again = everything(FilesystemStore(to / "store"))
    # Of the log, what is needed now: narrower tiles of when it was smaller are not kept.
    assert again.items() <= held.items()
    assert {name for name in held if "tile" not in name} <= set(again)
    code, said = run("log-audit", "--data", to)
    assert (code, "WHOLE" in said) == (0, True), said
    moved = Bureau(**{**vars(day.bureau), "data": to})
    server = LiveServer(moved)
    try:
        server.start()
        dock, content = Tus(server), b"after the loss"
        where = dock.create(14, {"Upload-Metadata": metadata(sha256=sha256(content))})
        dock.send(where, 0, content)
        exhibit = dock.state(where)["exhibit"]
        auditor = Tus(server, server.tokens["supervisor"])
        until(lambda: auditor.ask("GET", f"{exhibit}/proof").status == 200)
    finally:
        server.stop()


def test_what_it_says_of_itself_can_be_checked_by_hand(day: Day, backup: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "files.sha256"], cwd=backup, check=False
    )
    assert done.returncode == 0
    info = json.loads((backup / "backup.json").read_text())
    assert (info["format"], info["problems"]) == ("zhenglian-backup/v1", [])
    assert info["counts"]["originals"] == 3
    listed = {path.partition("  ")[2] for path in (backup / "files.sha256").read_text().split("\n")}
    there = {p.relative_to(backup).as_posix() for p in backup.rglob("*") if p.is_file()}
    assert there - {"files.sha256", "backup.json"} == listed - {""}
    for name in ("keys/log.key", "keys/secret.key", "database.sqlite"):
        assert stat.S_IMODE((backup / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert (backup / "keys/log.key").read_bytes() == (day.data / "keys/log.key").read_bytes()
    originals = dict(line.split() for line in (backup / "originals.txt").read_text().splitlines())
    assert originals == {sha256(c): str(len(c)) for c in RECORDINGS.values()}
    with closing(sqlite3.connect(f"file:{backup / 'database.sqlite'}?mode=ro", uri=True)) as one:
        assert one.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_to_postgresql_and_from_there(
    day: Day, backup: Path, tmp_path: Path, new_postgresql: Callable[[], str]
) -> None:
    before, there = digests(day.database), new_postgresql()
    code, said = restored(backup, tmp_path / "one", "--database", there)
    assert code == 0, said
    assert digests(there) == before
    assert not (tmp_path / "one" / "zhenglian.db").exists()
    assert not (tmp_path / "one" / "restoring.db").exists()
    code, said = run(
        "backup", tmp_path / "second", "--data", tmp_path / "one", ZHENGLIAN_DATABASE_URL=there
    )
    assert code == 0, said
    (second,) = (tmp_path / "second").iterdir()
    code, said = restored(second, tmp_path / "two")
    assert code == 0, said
    assert digests(f"sqlite:///{tmp_path / 'two' / 'zhenglian.db'}") == before
    code, said = restored(second, tmp_path / "three", "--database", there)
    assert (code, "not empty" in said) == (2, True)
    assert not (tmp_path / "three").exists()


def test_it_is_made_while_the_system_runs(day: Day, tmp_path: Path) -> None:
    server = LiveServer(day.bureau)
    sealed: list[bytes] = []
    try:
        server.start()
        dock = Tus(server)
        backing = subprocess.Popen(
            [sys.executable, "-m", "server.backup", str(tmp_path / "b"), "--data", str(day.data)],
            cwd=Path(__file__).resolve().parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        while backing.poll() is None:
            content = os.urandom(100_000)
            where = dock.create(len(content), {"Upload-Metadata": metadata(filename="a.mp4")})
            dock.send(where, 0, content)
            assert dock.state(where)["state"] == "sealed"
            sealed.append(content)
        said = backing.communicate()[0]
        assert backing.returncode == 0, said
    finally:
        server.stop()
    assert len(sealed) > 3
    (backup,) = (tmp_path / "b").iterdir()
    code, said = restored(backup, tmp_path / "again")
    assert code == 0, said


def test_an_altered_or_missing_original_is_named_by_its_label(day: Day, tmp_path: Path) -> None:
    bend(day.original(FIRST))
    backup = backed_up(day, code=1)
    info = json.loads((backup / "backup.json").read_text())
    digest = sha256(RECORDINGS[FIRST])
    assert any(digest in words and "bytes are others" in words for words in info["problems"])
    code, said = restored(backup, tmp_path / "again")
    assert (code, f"its original {digest} is missing" in said) == (1, True)
    assert "✗ E" in said


@pytest.mark.parametrize(
    "name",
    ["database.sqlite", "files.sha256", "keys/log.key", "keys/secret.key"],
)
def test_one_byte_of_what_everything_hangs_on_and_nothing_is_restored(
    backup: Path, tmp_path: Path, name: str
) -> None:
    bend(backup / name)
    code, said = restored(backup, tmp_path / "again")
    assert (code, f"{backup / name} was altered" in said) == (2, True), said
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("room", ["originals", "quarantine", "derivatives", "log"])
def test_one_byte_of_the_rest_is_named_and_not_put_back(
    day: Day, backup: Path, tmp_path: Path, room: str
) -> None:
    files = [p for p in (backup / "store" / room).rglob("*") if p.is_file() and p.stat().st_size]
    if room == "derivatives":
        files = [p for p in files if p.read_bytes() == POSTER]
    bend(files[0])
    code, said = restored(backup, tmp_path / "again")
    assert code == 1, said
    assert f"✗ {files[0]}" in said
    beside = tmp_path / "again" / "store" / files[0].relative_to(backup / "store")
    assert not beside.exists()
    # The rest is there.
    assert rows(f"sqlite:///{tmp_path / 'again' / 'zhenglian.db'}") == rows(day.database)


def test_a_file_that_is_gone_from_it_is_named(backup: Path, tmp_path: Path) -> None:
    for content in RECORDINGS.values():
        original_in(backup / "store", content).unlink()
    shutil.rmtree(backup / "store" / "quarantine")
    code, said = restored(backup, tmp_path / "again")
    assert code == 1
    assert said.count("is gone from where it was") == len(RECORDINGS)
    assert said.count(" is missing") == len(RECORDINGS) + 1


def test_without_its_last_file_it_is_no_backup(backup: Path, tmp_path: Path) -> None:
    (backup / "backup.json").unlink()
    code, said = restored(backup, tmp_path / "again")
    assert (code, "not finished" in said) == (2, True)
    (backup / "backup.json").write_text('{"format": "tomorrow"}')
    assert restored(backup, tmp_path / "again")[0] == 2


def test_only_into_an_empty_place(day: Day, backup: Path, tmp_path: Path) -> None:
    code, said = restored(backup, day.data)
    assert (code, "is not empty" in said) == (2, True)
    before = rows(day.database)
    code, said = restored(backup, tmp_path / "again", "--database", day.database)
    assert (code, "is not written over" in said) == (2, True)
    assert rows(day.database) == before


def rewrite(backup: Path, revision: str) -> None:
    """As a version would have made it whose tables have that revision."""
    listed = (backup / "files.sha256").read_text().splitlines()
    others = [line for line in listed if not line.endswith("  database.sqlite")]
    digest = file_digest(backup / "database.sqlite")
    (backup / "files.sha256").write_text(
        "\n".join([*others, f"{digest}  database.sqlite"]) + "\n", "utf-8"
    )
    info = json.loads((backup / "backup.json").read_text())
    info |= {"revision": revision, "files_sha256": file_digest(backup / "files.sha256")}
    (backup / "backup.json").chmod(0o600)
    (backup / "backup.json").write_text(json.dumps(info))


def test_one_of_a_newer_version_is_refused(backup: Path, tmp_path: Path) -> None:
    rewrite(backup, "9999")
    code, said = restored(backup, tmp_path / "again")
    assert (code, "newer version" in said) == (2, True)


def test_one_of_an_older_version_is_brought_up(
    backup: Path, tmp_path: Path, new_postgresql: Callable[[], str]
) -> None:
    older = ScriptDirectory.from_config(migrate.alembic_config()).get_revision("head").down_revision
    with opened(f"sqlite:///{backup / 'database.sqlite'}") as engine:
        command.downgrade(migrate.alembic_config(engine), str(older))
        assert migrate.pending(engine)
    rewrite(backup, str(older))
    there = new_postgresql()
    for to, arguments in (("one", ()), ("two", ("--database", there))):
        code, said = restored(backup, tmp_path / to, *arguments)
        assert code == 0, said
    assert digests(there) == digests(f"sqlite:///{tmp_path / 'one' / 'zhenglian.db'}")


def test_a_list_of_originals_is_put_back_over_the_store_that_has_them(
    day: Day, tmp_path: Path
) -> None:
    backup = backed_up(day, "--originals", "list")
    assert not list((backup / "store" / "originals").iterdir())
    survived = tmp_path / "survived"
    shutil.copytree(day.store, survived)
    code, said = restored(backup, tmp_path / "one", "--store", survived.as_uri())
    assert code == 0, said
    original_in(survived, RECORDINGS[FIRST]).unlink()
    code, said = restored(backup, tmp_path / "two", "--store", survived.as_uri())
    assert (code, said.count("is missing")) == (1, 1), said
    code, said = restored(backup, tmp_path / "three")
    assert (code, said.count("is missing")) == (1, len(RECORDINGS)), said


def test_an_older_backup_shares_what_it_has_whole(day: Day, backup: Path, tmp_path: Path) -> None:
    bend(original_in(backup / "store", RECORDINGS[FIRST]))
    newer = backed_up(day, "--since", backup, code=1)
    problems = json.loads((newer / "backup.json").read_text())["problems"]
    assert [original_in(backup / "store", RECORDINGS[FIRST]).name in p for p in problems] == [True]
    for name, content in RECORDINGS.items():
        ours, theirs = original_in(newer / "store", content), original_in(backup / "store", content)
        assert ours.read_bytes() == content
        assert ours.samefile(theirs) is (name != FIRST)
    code, said = restored(newer, tmp_path / "again")
    assert code == 0, said


def test_an_interrupted_one_is_of_use_for_the_next(day: Day, backup: Path) -> None:
    (backup / "backup.json").unlink()
    newer = backed_up(day, "--since", backup)
    content = RECORDINGS[FIRST]
    assert original_in(newer / "store", content).samefile(original_in(backup / "store", content))


def test_the_newest_is_one_that_was_finished_if_there_is_one(day: Day, tmp_path: Path) -> None:
    content = RECORDINGS[FIRST]
    assert backup_folder.newest(tmp_path / "not there") is None
    first = backed_up(day, "--since", "newest")
    for name in ("20990101T000000Z", "another"):
        (first.parent / name / "store").mkdir(parents=True)
    assert backup_folder.newest(first.parent) == first
    # A later one that only lists originals has none to share.
    listed = first.parent / "20990102T000000Z"
    backed_up(day, "--originals", "list").rename(listed)
    assert backup_folder.newest(first.parent) == first
    shutil.rmtree(listed)
    (first / "backup.json").rename(first / "kept")
    assert backup_folder.newest(first.parent) == first.parent / "20990101T000000Z"
    (first / "kept").rename(first / "backup.json")
    assert original_in(first / "store", content).stat().st_nlink == 1
    # Two of one second would have one name, and the second is refused.
    until(lambda: backup_folder.now_named() > first.name)
    code, said = run("backup", first.parent, "--data", day.data, "--since", "newest")
    assert code == 0, said
    assert original_in(first / "store", content).stat().st_nlink == 2


def test_a_database_older_than_the_published_log_is_said_and_signs_nothing(
    day: Day, backup: Path, tmp_path: Path
) -> None:
    server = LiveServer(day.bureau)
    try:
        server.start()
        dock = Tus(server)
        where = dock.create(5, {"Upload-Metadata": metadata(filename="later.mp4")})
        dock.send(where, 0, b"later")
        exhibit = dock.state(where)["exhibit"]
        auditor = Tus(server, server.tokens["supervisor"])
        until(lambda: auditor.ask("GET", f"{exhibit}/proof").status == 200)
    finally:
        server.stop()
    code, said = restored(backup, tmp_path / "again", "--store", day.store.as_uri())
    assert (code, "tiles of a longer log than this backup" in said) == (1, True), said
    moved = Bureau(**{**vars(day.bureau), "data": tmp_path / "again"})
    server = LiveServer(moved, {"ZHENGLIAN_STORE_URL": day.store.as_uri()})
    checkpoint = json.loads((backup / "backup.json").read_text())["checkpoint"]
    try:
        server.start_worker()
        server.start_web()
        until(lambda: "longer log" in server.said("worker"))
        lacks = Tus(server).ask("GET", "/readyz").json["items"]["custody_log"]
        assert "an older database was put back" in lacks
        assert Tus(server, None).ask("GET", "/log/checkpoint").body.decode() == checkpoint
    finally:
        server.stop()


def test_a_log_that_was_tampered_with_is_backed_up_and_said(day: Day, tmp_path: Path) -> None:
    with opened(day.database) as engine, engine.begin() as connection:
        for guard in ("no_update", "no_taken_place"):
            connection.execute(text(f"DROP TRIGGER custody_events_{guard}"))
        connection.execute(text("UPDATE custody_events SET via = 'field' WHERE leaf_index = 2"))
    backup = backed_up(day, code=1)
    code, said = restored(backup, tmp_path / "again")
    assert (code, "Event 2 was altered in the database" in said) == (1, True), said


def test_what_cannot_be_backed_up_is_said(day: Day, tmp_path: Path) -> None:
    code, said = run("backup", tmp_path / "b", "--data", tmp_path / "none")
    assert (code, "There is no database" in said) == (2, True)
    code, said = run("backup", tmp_path / "b", "--data", day.data, "--since", tmp_path)
    assert (code, "is no backup" in said) == (2, True)
    assert run("backup")[0] == 2
    assert not list(tmp_path.glob("b/*/backup.json"))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_536, 70_000, 256**3 + 1])
def test_the_tiles_of_a_tree(size: int) -> None:
    found = list(tiles_of(size))
    assert len(found) == len(set(found))
    assert (tile_path(0, 0, min(size, 256)) in found) is (size > 0)
    hashes = sum(
        int(path.partition(".p/")[2] or 256) for path in found if path.startswith("tile/0/")
    )
    assert hashes == size
    assert sum(path.startswith("tile/entries") for path in found) == -(-size // 256)
