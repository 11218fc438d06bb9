"""The migrations make exactly the tables that the code knows, with their guards."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from evidence.base import Base
from server import migrate
from tests import databases
from tests.bureau import Bureau
from tests.live import ROOT
from tests.tables import form, guards_and_indices


@pytest.fixture
def migrated(bureau: Bureau) -> Iterator[Engine]:
    engine = databases.open_database(bureau.database)
    yield engine
    engine.dispose()


def _is_a_models(name: str | None, kind: str, parents: object) -> bool:
    """The text index is made by its own statements, as its triggers are."""
    return not (kind == "table" and (name or "").startswith(("exhibit_grams", "exhibit_texts")))


def test_migrations_and_models_agree(migrated: Engine) -> None:
    with migrated.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": _is_a_models}
        )
        differences = compare_metadata(context, Base.metadata)
    assert differences == []


def test_migrations_make_the_same_triggers_and_indices_as_the_models(
    migrated: Engine, tmp_path: Path
) -> None:
    fresh = databases.open_database(tmp_path / "fresh.db")
    Base.metadata.create_all(fresh)
    assert guards_and_indices(migrated) == guards_and_indices(fresh)
    assert sum(name.startswith("custody_events_no_") for name in guards_and_indices(migrated)) >= 2
    fresh.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM custody_events",
        "UPDATE custody_events SET at = '2020-01-01 00:00:00'",
        "UPDATE custody_events SET canonical = x'00'",
        "UPDATE custody_events SET leaf_index = 7, actor_id = subject_id",
        pytest.param(
            "INSERT OR REPLACE INTO custody_events SELECT * FROM custody_events",
            marks=pytest.mark.one_box("PostgreSQL has no such statement"),
        ),
    ],
)
def test_a_migrated_database_refuses_to_change_an_event(migrated: Engine, statement: str) -> None:
    with migrated.connect() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM custody_events").scalar_one()
        assert count > 0
        with pytest.raises(DBAPIError, match="append-only"):
            connection.exec_driver_sql(databases.spoken(statement))


def _upgrade(data: str, url: str) -> None:
    migrate.to_present({"ZHENGLIAN_DATA": data, "ZHENGLIAN_DATABASE_URL": url})


def test_two_starts_at_once_migrate_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    url = databases.database_url(tmp_path / "zhenglian.db")
    # On a database that is no file, the two may be two machines.
    folders = [tmp_path, tmp_path / "other" if databases.grown_up() else tmp_path]
    starts = [context.Process(target=_upgrade, args=(str(folder), url)) for folder in folders]
    for start in starts:
        start.start()
    for start in starts:
        start.join(60)
    assert [start.exitcode for start in starts] == [0, 0]
    engine = databases.open_database(tmp_path / "zhenglian.db")
    assert migrate.pending(engine) == ""
    engine.dispose()


def test_an_upgrade_that_fails_on_its_way_leaves_the_version_that_was(tmp_path: Path) -> None:
    engine = databases.open_database(tmp_path / "zhenglian.db")
    command.upgrade(migrate.alembic_config(engine), "0001")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE dossiers (id integer)")  # somebody's own
    before = form(engine)
    with pytest.raises(DBAPIError, match="dossiers"):
        migrate.upgrade(engine)
    assert form(engine) == before
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE dossiers")
    assert migrate.pending(engine)
    migrate.upgrade(engine)
    assert migrate.pending(engine) == ""
    engine.dispose()


def _migrated_by_hand(folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    environ = {name: v for name, v in os.environ.items() if not name.startswith("ZHENGLIAN_")}
    return subprocess.run(
        [sys.executable, "-m", "server.migrate"],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT), **given},
        check=False,
        capture_output=True,
        text=True,
    )


def test_without_settings_no_database_is_made(tmp_path: Path) -> None:
    done = _migrated_by_hand(tmp_path)
    assert done.returncode == 2
    assert "neither ZHENGLIAN_DATA nor ZHENGLIAN_DATABASE_URL is set" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_says_which_database_went_from_where_to_where(tmp_path: Path) -> None:
    url = databases.database_url(tmp_path / "data" / "zhenglian.db").replace("+psycopg", "")
    given = {"ZHENGLIAN_DATA": str(tmp_path / "data"), "ZHENGLIAN_DATABASE_URL": url}
    head = migrate.head()
    first, again = _migrated_by_hand(tmp_path, **given), _migrated_by_hand(tmp_path, **given)
    assert (first.returncode, first.stdout) == (0, f"{url}: brought from nothing to {head}\n")
    assert again.stdout == f"{url}: at {head} already, nothing was to do\n"
    # What stands where the program is started is there without a variable.
    if not databases.grown_up():
        assert _migrated_by_hand(tmp_path).stdout == again.stdout


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://a:secret@h:1/d", "postgresql+psycopg://a@h:1/d?password=secret"],
)
def test_the_database_is_told_without_its_password(url: str) -> None:
    assert migrate.shown(url) == "postgresql://a@h:1/d"
