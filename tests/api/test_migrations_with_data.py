"""A bureau's whole data goes down and up, one revision at a time, and is what it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from evidence.base import Base
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.models import LogHead
from evidence.custody.reading import events_of
from evidence.exhibits.contradictions import Contradiction, look_into
from evidence.exhibits.models import Exhibit, Fixity
from evidence.people.actor import SYSTEM
from server import log_audit, migrate
from server.extensions import db, settings, store
from server.migrations.losses import DowngradeRefused
from server.unit_of_work import unit_of_work
from tests import databases
from tests.api.stage import REVISIONS, Forms, Stage, forms, stage
from tests.bureau import Clients
from tests.tables import Held, differing, form, held
from tests.worked import CASE, plain_template, sign, whole_template

__all__ = ["forms", "plain_template", "stage", "whole_template"]

# What the whole way down drops and no way up brings back: it is found out anew by doing.
FOUND_OUT_ANEW = {
    "job_troubles",
    "readings_asked",
    "correspondence",
    "exhibits.fixity",
    "exhibits.last_read_at",
}
# A witness that answers has neither of the first two; a case's dossier is of no one exhibit.
MAY_BE_EMPTY = {
    "correspondence.silent_since",
    "correspondence.refused_at",
    "dossiers.exhibit_id",
}


def test_a_whole_bureau_leaves_no_table_empty(stage: Stage) -> None:
    found = held(stage.engine)
    assert found.keys() >= Base.metadata.tables.keys()
    assert [table for table, kept in found.items() if not kept.rows] == []


def test_nor_any_column_that_came_after_the_first_version(stage: Stage, tmp_path: Path) -> None:
    first = databases.open_database(tmp_path / "first.db")
    command.upgrade(migrate.alembic_config(first), "0001")
    known = {f"{table}.{column}" for table, kept in held(first).items() for column in kept.columns}
    first.dispose()
    empty = {
        f"{table}.{column}"
        for table, kept in held(stage.engine).items()
        for column in kept.columns
        if set(kept.of([column])) <= {(None,)}
    }
    assert empty - known == MAY_BE_EMPTY


@pytest.mark.parametrize(
    ("stage", "lowest", "lost"),
    [
        ("whole_template", "0005", {"job_troubles", "readings_asked"}),
        ("plain_template", "0001", FOUND_OUT_ANEW),
    ],
    indirect=["stage"],
)
def test_down_step_by_step_as_far_as_is_permitted_and_up_again_it_is_what_it_was(
    stage: Stage, lowest: str, lost: set[str], forms: Forms
) -> None:
    at_head = before = held(stage.engine)
    _is_in_order(stage)
    assert _contradictions(stage) == []
    while stage.revision != lowest:
        before = _stepped(before, stage, forms[stage.down()])
    with pytest.raises(DowngradeRefused):
        stage.down()
    while stage.revision != REVISIONS[-1]:
        before = _stepped(before, stage, forms[stage.up()])
    assert before.keys() == at_head.keys()
    assert differing(at_head, before, but=lost) == {}
    _is_in_order(stage)
    assert _contradictions(stage) == []
    _goes_on(stage)


def _stepped(before: dict[str, Held], stage: Stage, wanted: dict[str, str]) -> dict[str, Held]:
    """What there is after a step, which has kept what it has room for."""
    after = held(stage.engine)
    assert differing(before, after) == {}
    assert form(stage.engine) == wanted
    return after


@pytest.mark.parametrize("stage", ["plain_template"], indirect=True)
def test_after_the_whole_way_every_original_is_to_be_read_again(stage: Stage) -> None:
    query = select(Exhibit.fixity, Exhibit.last_read_at, Exhibit.sealed_at)
    with Session(stage.engine) as session:
        assert Fixity.INTACT in {fixity for fixity, _, _ in session.execute(query)}
    command.downgrade(stage.config, "0001")
    migrate.upgrade(stage.engine)
    with Session(stage.engine) as session:
        for fixity, last_read_at, sealed_at in session.execute(query):
            assert (fixity, last_read_at) == (Fixity.UNCHECKED, sealed_at)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_from_every_older_version_its_data_comes_up(
    stage: Stage, revision: str, forms: Forms, tmp_path: Path
) -> None:
    wanted, file = held(stage.engine), tmp_path / "older.db"
    older = Stage(stage.bureau, file, databases.open_database(file))
    command.upgrade(older.config, revision)
    _fill(older.engine, wanted)
    began = before = held(older.engine)
    assert [table for table, kept in began.items() if not kept.rows] == []
    while older.revision != REVISIONS[-1]:
        before = _stepped(before, older, forms[older.up()])
    assert differing(began, before) == {}
    # On PostgreSQL the index of words comes on the way.
    assert differing({"exhibit_texts": wanted["exhibit_texts"]}, before) == {}
    _is_in_order(older)
    older.engine.dispose()


def _fill(engine: Engine, wanted: dict[str, Held]) -> None:
    """Put what is wanted into the tables and columns that are there."""
    there = held(engine)
    mark = "?" if engine.dialect.name == "sqlite" else "%s"
    places = f"UPDATE custody_events SET leaf_index = {mark} WHERE position = {mark}"
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if table.name in there:
                _insert(connection, table.name, set(there[table.name].columns), wanted, mark)
        events = wanted["custody_events"]
        connection.exec_driver_sql(places, events.of(["leaf_index", "position"]))


def _insert(
    connection: Connection, table: str, there: set[str], wanted: dict[str, Held], mark: str
) -> None:
    # An event gets its place in the tree later, and a unit that hands over comes after the other.
    columns = sorted(there - {"leaf_index"})
    rows = wanted[table].of(columns)
    if table == "units":
        rows.sort(key=lambda row: row[columns.index("hands_over_to_id")] is not None)
    names = ", ".join(f'"{column}"' for column in columns)
    marks = ", ".join(mark for _ in columns)
    connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def _is_in_order(stage: Stage) -> None:
    """The log holds, what was written is found, an event cannot be changed."""
    with stage.opened() as app:
        with app.app_context():
            audit = log_audit.of_database(db.session(), settings(), store())
            assert audit is not None
            assert audit.whole, audit.findings
            assert audit.rows == len(held(stage.engine)["custody_events"].rows)
            db.session.rollback()
        handler = Clients(app, stage.bureau)("handler")
        for words in (CASE["party"], "现场 ①", "HD-012", "张08"):
            found = handler.get("/api/v1/exhibits", query_string={"text": words}).json
            assert found["items"], words
    for statement in (
        "DELETE FROM custody_events",
        "UPDATE custody_events SET kind = 'exhibit:viewed'",
        "UPDATE custody_events SET leaf_index = 99999 WHERE leaf_index = 1",
    ):
        with (
            stage.engine.connect() as connection,
            pytest.raises(DBAPIError, match="append-only"),
        ):
            connection.exec_driver_sql(statement)


def _contradictions(stage: Stage) -> list[Contradiction]:
    """Between the exhibits' rows and their events."""
    with stage.opened() as app, app.app_context():
        session = db.session()
        return [
            found
            for exhibit in session.scalars(select(Exhibit)).all()
            for found in look_into(session, store(), exhibit, events_of(session, [exhibit.id]))
        ]


def _goes_on(stage: Stage) -> None:
    """One more event is signed after those that were signed before."""
    with stage.opened() as app, app.app_context():
        kept = db.session.scalars(select(LogHead.checkpoint)).one()
        exhibit = db.session.scalars(select(Exhibit.id)).first()
        with unit_of_work() as session:
            append(session, Kind.EXHIBIT_VIEWED, exhibit, SYSTEM)
        sign()
        audit = log_audit.of_database(db.session(), settings(), store(), older=[kept])
        assert audit is not None
        assert (audit.whole, audit.older) == (True, 1), audit.findings
        assert audit.size == len(held(stage.engine)["custody_events"].rows)
