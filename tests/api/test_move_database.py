"""scripts/move-database: a bureau's database goes to PostgreSQL and back, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.exhibits.models import Exhibit
from evidence.people.actor import SYSTEM
from evidence.people.models import Unit, UnitKind
from server import config, copying, database_move
from server.copying import CopiedTable, CopyRefused, copy_database
from tests.day import Day, day, day_template, digests, migrated, opened, rows, run
from tests.faults.test_kill import until
from tests.live import ROOT
from tests.postgresql import new_postgresql

__all__ = ["day", "day_template", "new_postgresql"]

# It brings both databases itself.
pytestmark = pytest.mark.one_box

Made = Callable[[], str]


def agree(_: Session, __: Sequence[CopiedTable]) -> None:
    """Nothing to object to."""


def copied(source: str, target: str) -> list[CopiedTable]:
    with opened(source) as old, opened(target) as new:
        return copy_database(old, new, agree)


def test_there_and_back_is_the_same_to_the_byte(
    day: Day, new_postgresql: Made, tmp_path: Path
) -> None:
    before = digests(day.database)
    filled = {table.name for table in before if table.rows}
    assert filled >= {"accounts", "custody_events", "exhibits", "exhibit_links", "uploads"}
    there, back = new_postgresql(), f"sqlite:///{tmp_path / 'back.db'}"
    code, said = run("move-database", "--to", there, "--data", day.data)
    assert code == 0, said
    assert "MOVED" in said
    assert "+psycopg" not in said  # as the settings say it
    for table in before:
        assert f"{table.rows}  {table.sha256[:16]}" in said
    assert digests(there) == before
    code, said = run("move-database", "--from", there, "--to", back, "--data", day.data)
    assert code == 0, said
    assert digests(back) == digests(day.database) == before


def test_the_log_goes_on_where_it_was(day: Day, new_postgresql: Made, tmp_path: Path) -> None:
    there = migrated(new_postgresql())
    for source, target in (
        (day.database, there),
        (there, migrated(f"sqlite:///{tmp_path / 'back.db'}")),
    ):
        copied(source, target)
        with opened(target) as engine, Session(engine) as session:
            last = session.scalar(select(func.max(CustodyEvent.position)))
            assert last
            append(session, Kind.EXHIBIT_VIEWED, uuid4(), SYSTEM)
            session.flush()
            assert session.scalar(select(func.max(CustodyEvent.position))) == last + 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM custody_events WHERE position = 3",
        "UPDATE custody_events SET kind = 'exhibit:viewed' WHERE position = 3",
        "UPDATE custody_events SET leaf_index = 99999 WHERE position = 3",
        "INSERT OR REPLACE INTO custody_events SELECT * FROM custody_events WHERE position = 3",
    ],
)
def test_the_copied_events_are_guarded_again(day: Day, tmp_path: Path, statement: str) -> None:
    target = migrated(f"sqlite:///{tmp_path / 'copy.db'}")
    copied(day.database, target)
    with (
        opened(target) as engine,
        engine.connect() as connection,
        pytest.raises(DBAPIError, match="append-only"),
    ):
        connection.exec_driver_sql(statement)


def test_the_search_finds_what_was_copied(day: Day, tmp_path: Path) -> None:
    def found(url: str) -> list[tuple[str, str]]:
        query = "SELECT content, flags FROM exhibit_texts ORDER BY position"
        with opened(url) as engine, engine.connect() as connection:
            return [(content, flags) for content, flags in connection.execute(text(query))]

    target = migrated(f"sqlite:///{tmp_path / 'copy.db'}")
    copied(day.database, target)
    assert found(target) == found(day.database)
    assert any("王记食品店" in content for content, _ in found(target))


def test_what_only_one_database_tells_apart_is_kept(day: Day, new_postgresql: Made) -> None:
    """A JSON null and none, a text in another order than its bytes, a row before its parent."""
    with opened(day.database) as engine, Session(engine) as session:
        first, second = session.scalars(select(Exhibit.id).limit(2)).all()
        for exhibit_id, kept in ((first, "NULL"), (second, "'null'")):
            session.execute(
                text(
                    f"UPDATE exhibits SET media_facts = {kept}, flags = '[ \"é\" ]' WHERE id = :id"
                ),
                {"id": exhibit_id.hex},
            )
        for name in ("b", "B", "ä", "是", "a"):
            session.execute(text("INSERT INTO counters VALUES (:name, 7)"), {"name": name})
        parent = Unit(id=UUID(int=2**128 - 1), name="末", kind=UnitKind.BOTH)
        session.add(parent)
        session.flush()
        session.add(
            Unit(id=UUID(int=1), name="首", kind=UnitKind.INSPECTION, hands_over_to_id=parent.id)
        )
        session.commit()
    there = migrated(new_postgresql())
    copied(day.database, there)
    assert digests(there) == digests(day.database)
    with opened(there) as engine, engine.connect() as connection:
        nulls = text("SELECT count(*) FROM exhibits WHERE media_facts IS NULL AND id = :id")
        assert [connection.scalar(nulls, {"id": one}) for one in (first, second)] == [1, 0]


def test_a_target_that_holds_something_is_left_alone(day: Day, tmp_path: Path) -> None:
    target = migrated(f"sqlite:///{tmp_path / 'copy.db'}")
    with opened(target) as engine, engine.begin() as connection:
        connection.execute(text("INSERT INTO counters VALUES ('exhibit:2023', 5)"))
    with pytest.raises(CopyRefused, match="not empty: there are rows in counters"):
        copied(day.database, target)
    assert rows(target) == 1


def test_other_tables_than_this_versions_are_refused(day: Day, tmp_path: Path) -> None:
    bare = f"sqlite:///{tmp_path / 'bare.db'}"
    with pytest.raises(CopyRefused, match="Give an empty database"):
        copied(day.database, bare)
    with pytest.raises(CopyRefused, match="scripts/run"):
        copied(bare, migrated(f"sqlite:///{tmp_path / 'copy.db'}"))
    with opened(day.database) as engine, engine.begin() as connection:
        connection.execute(text("CREATE TABLE of_tomorrow (id INTEGER)"))
    with pytest.raises(CopyRefused, match="does not know: of_tomorrow"):
        copied(day.database, f"sqlite:///{tmp_path / 'copy.db'}")


def test_a_difference_is_found_and_nothing_is_kept(
    day: Day, new_postgresql: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = copying._copy_table

    def bent(source: object, target: object, table: object) -> CopiedTable:
        done = real(source, target, table)  # type: ignore[arg-type]
        if done.name == "exhibits":
            target.execute(text("UPDATE exhibits SET filename = 'x'"))  # type: ignore[attr-defined]
        return done

    monkeypatch.setattr(copying, "_copy_table", bent)
    for target in (migrated(new_postgresql()), migrated(f"sqlite:///{tmp_path / 'copy.db'}")):
        with pytest.raises(CopyRefused, match="exhibits did not come through"):
            copied(day.database, target)
        assert rows(target) == 0


def test_what_postgresql_cannot_keep_is_named(day: Day, new_postgresql: Made) -> None:
    with opened(day.database) as engine, engine.begin() as connection:
        connection.execute(text("UPDATE recorders SET model = :long"), {"long": "x" * 81})
    target = migrated(new_postgresql())
    with pytest.raises(CopyRefused, match="recorders was not copied, about row 3"):
        copied(day.database, target)
    assert rows(target) == 0


def settings_of(day: Day) -> config.Settings:
    return config.read({"ZHENGLIAN_DATA": str(day.data)})


def test_what_is_written_meanwhile_undoes_the_move(
    day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever did not stop: an event, or a row without one."""
    late = iter((Kind.EXHIBIT_VIEWED, None))
    real = copying._compare

    def write_and_compare(target: object, done: Sequence[CopiedTable]) -> None:
        kind = next(late)
        with opened(day.database) as engine, Session(engine) as session:
            if kind:
                append(session, kind, uuid4(), SYSTEM)
            else:
                session.execute(text("INSERT INTO counters VALUES ('late', 1)"))
            session.commit()
        real(target, done)  # type: ignore[arg-type]

    monkeypatch.setattr(copying, "_compare", write_and_compare)
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    for _ in range(2):
        with (
            opened(day.database) as old,
            opened(target) as new,
            pytest.raises(CopyRefused, match="written to the old database meanwhile"),
        ):
            database_move.move(settings_of(day), old, new)
        assert rows(target) == 0


def test_a_log_that_does_not_hold_is_not_moved(day: Day, tmp_path: Path) -> None:
    with opened(day.database) as engine, engine.begin() as connection:
        for guard in ("no_update", "no_taken_place"):
            connection.execute(text(f"DROP TRIGGER custody_events_{guard}"))
        connection.execute(text("UPDATE custody_events SET via = 'field' WHERE leaf_index = 2"))
    before = digests(day.database)
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    code, said = run("move-database", "--to", target, "--data", day.data)
    assert (code, "Event 2 was altered in the database" in said) == (1, True)
    assert rows(target) == 0
    assert digests(day.database) == before


def test_a_log_of_another_origin_or_without_its_tiles_is_not_moved(
    day: Day, tmp_path: Path
) -> None:
    """What is set up anew and not yet as it was: told by the setting that is meant."""
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    move = ("move-database", "--to", target, "--data", day.data)
    code, said = run(*move, ZHENGLIAN_LOG_ORIGIN="evidence.example/log")
    assert (code, "MOVED: both" in said) == (1, False)
    assert "an origin is never changed. Set ZHENGLIAN_LOG_ORIGIN=" in said
    (tmp_path / "new").mkdir()
    code, said = run(*move, ZHENGLIAN_STORE_URL=(tmp_path / "new").as_uri())
    assert (code, "name it: ZHENGLIAN_STORE_OLD_URL" in said) == (1, True)
    assert rows(target) == 0


def test_wrong_use_and_running_servers_are_refused(day: Day, tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    assert run("move-database", "--data", day.data)[0] == 2
    for wrong in ("mysql://x", "sqlite://", "postgresql://x:y:z"):
        assert run("move-database", "--to", wrong, "--data", day.data)[0] == 2
    code, said = run("move-database", "--to", target, "--data", tmp_path / "none")
    assert (code, "There is no database" in said) == (1, True)
    assert not (tmp_path / "none").exists()
    with opened(day.database) as engine, engine.begin() as connection:
        connection.execute(
            text("UPDATE leases SET until = :soon"), {"soon": "2099-01-01 00:00:00.000000"}
        )
    code, said = run("move-database", "--to", target, "--data", day.data)
    assert (code, "The worker is running" in said) == (1, True)
    code, said = run(
        "move-database", "--to", "postgresql+psycopg://u:secret@127.0.0.1:9/x", "--data", day.data
    )
    assert (code, "secret" in said) == (1, False)


def many(url: str, count: int) -> None:
    """Events enough that a copy of them takes a moment."""
    with opened(url) as engine, Session(engine) as session:
        for _ in range(count):
            append(session, Kind.EXHIBIT_VIEWED, uuid4(), SYSTEM)
        session.commit()


def inserted(engine: Engine, table: str) -> bool:
    """Whether the other process has got so far: what it has not committed, PostgreSQL counts."""
    with engine.connect() as connection:
        return bool(connection.scalar(text(f"SELECT pg_relation_size('{table}') > 100000")))


def test_a_move_that_is_killed_leaves_nothing_and_can_be_begun_again(
    day: Day, new_postgresql: Made
) -> None:
    many(day.database, 5000)
    target = migrated(new_postgresql())
    command = [sys.executable, str(ROOT / "scripts" / "move-database"), "--to", target]
    process = subprocess.Popen([*command, "--data", str(day.data)], start_new_session=True)
    try:
        with opened(target) as engine:
            until(lambda: inserted(engine, "custody_events"))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    end = time.monotonic() + 20
    while rows(target) and time.monotonic() < end:
        time.sleep(0.1)
    assert rows(target) == 0
    code, said = run("move-database", "--to", target, "--data", day.data)
    assert code == 0, said
    assert digests(target) == digests(day.database)


def test_the_target_is_shut_to_others_meanwhile(day: Day, new_postgresql: Made) -> None:
    target = migrated(new_postgresql())
    refused = []

    def look(_: Session, __: Sequence[CopiedTable]) -> None:
        with pytest.raises(CopyRefused, match="lock"):
            copied(day.database, target)
        refused.append(True)

    with opened(day.database) as old, opened(target) as new:
        copy_database(old, new, look)
    assert refused == [True]
    with pytest.raises(CopyRefused, match="not empty"):
        copied(day.database, target)


def test_memory_does_not_grow_with_the_log(
    day: Day, new_postgresql: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are read and put a batch at a time, on both sides."""
    monkeypatch.setattr(copying, "BATCH", 100)
    peaks = []
    for place, events in enumerate((500, 4000)):
        many(day.database, events)
        there, back = new_postgresql(), f"sqlite:///{tmp_path / f'{place}.db'}"
        for source, target in ((day.database, migrated(there)), (there, migrated(back))):
            tracemalloc.start()
            copied(source, target)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert max(peaks[2:]) < 1.5 * max(peaks[:2])
