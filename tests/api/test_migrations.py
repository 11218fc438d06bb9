"""The migrations make exactly the tables that the code knows, with their guards."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from evidence.base import Base
from evidence.sqlite import prepare
from server import migrate
from tests.bureau import Bureau


def _things(path: Path) -> dict[str, str]:
    """Every index and trigger of a SQLite file, by name, as it was written."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql > ''"
        )
        found = {name: " ".join(sql.split()) for name, sql in rows}
    connection.close()
    return found


def _is_a_models(name: str | None, kind: str, parents: object) -> bool:
    """The text index is made by its own statements, as its triggers are."""
    return not (kind == "table" and (name or "").startswith(("exhibit_grams", "exhibit_texts")))


def test_migrations_and_models_agree(bureau: Bureau) -> None:
    engine = prepare(create_engine(f"sqlite:///{bureau.data / 'zhenglian.db'}"))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": _is_a_models}
        )
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert differences == []


def test_migrations_make_the_same_triggers_and_indices_as_the_models(
    bureau: Bureau, tmp_path: Path
) -> None:
    fresh = prepare(create_engine(f"sqlite:///{tmp_path / 'fresh.db'}"))
    Base.metadata.create_all(fresh)
    fresh.dispose()
    migrated = _things(bureau.data / "zhenglian.db")
    assert migrated == _things(tmp_path / "fresh.db")
    assert sum(name.startswith("custody_events_no_") for name in migrated) >= 3


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM custody_events",
        "UPDATE custody_events SET at = '2020-01-01 00:00:00'",
        "UPDATE custody_events SET canonical = x'00'",
        "UPDATE custody_events SET leaf_index = 7, actor_id = x'00'",
        "INSERT OR REPLACE INTO custody_events SELECT * FROM custody_events",
    ],
)
def test_a_migrated_database_refuses_to_change_an_event(bureau: Bureau, statement: str) -> None:
    connection = sqlite3.connect(bureau.data / "zhenglian.db")
    try:
        (before,) = connection.execute("SELECT count(*) FROM custody_events").fetchone()
        assert before > 0
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    finally:
        connection.close()


def _upgrade(data: str) -> None:
    migrate.to_present({"ZHENGLIAN_DATA": data})


def test_two_starts_at_once_migrate_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    starts = [context.Process(target=_upgrade, args=(str(tmp_path),)) for _ in range(2)]
    for start in starts:
        start.start()
    for start in starts:
        start.join(60)
    assert [start.exitcode for start in starts] == [0, 0]
    engine = prepare(create_engine(f"sqlite:///{tmp_path / 'zhenglian.db'}"))
    assert migrate.pending(engine) == ""
    engine.dispose()


def test_a_migration_that_would_lose_evidence_does_not_exist(bureau: Bureau) -> None:
    from alembic import command

    engine = prepare(create_engine(f"sqlite:///{bureau.data / 'zhenglian.db'}"))
    with pytest.raises(RuntimeError, match="drop all evidence"):
        command.downgrade(migrate.alembic_config(engine), "base")
    engine.dispose()


def test_an_older_database_with_data_goes_up_and_down_and_keeps_it(tmp_path: Path) -> None:
    file = tmp_path / "zhenglian.db"
    engine = prepare(create_engine(f"sqlite:///{file}"))
    chosen = migrate.alembic_config(engine)
    command.upgrade(chosen, "0001")
    before = _things(file)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO exhibits (id, label, position, state, sha256, size, sha256_read_back,"
            " segments_digest, filename, filetype, recorder_claim, recorded_at_claim, flags,"
            " custodian, received_at, sealed_at, media_state)"
            " VALUES ('00', 'E2023-000001', 1, 'SEALED', 'ab', 3, 'ab', 'cd', '现场.mp4', '', '',"
            " '', '[]', '', '2023-09-15 02:00:00', '2023-09-15 02:00:01', 'PENDING')"
        )
    command.upgrade(chosen, "head")
    with engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT filename, fixity, last_read_at FROM exhibits")
        assert row.one() == ("现场.mp4", "UNCHECKED", "2023-09-15 02:00:01")
        found = connection.exec_driver_sql("SELECT content FROM exhibit_texts").scalar_one()
        assert "现场.mp4" in found
    assert before.items() <= _things(file).items()
    command.downgrade(chosen, "0001")
    assert _things(file) == before
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM exhibits").scalar_one() == 1
    engine.dispose()
