"""The bureau that is measured: its rows are such as the product writes, and it can be measured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import rfc8785
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from evidence.base import Base
from evidence.custody.kinds import DETAILS, Kind
from evidence.custody.models import CustodyEvent
from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.exhibits.timeline import timeline
from evidence.sqlite import prepare
from scripts.benchmarks import custody, listing, plot, viewing
from scripts.benchmarks.bureau import Bureau
from scripts.benchmarks.filling import fill
from tests import databases

COUNT = 300
Filled = tuple[Engine, Bureau, Path]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("made_up")
    engine = databases.open_database(folder / "e.db")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        bureau = fill(session, COUNT)
    yield engine, bureau, folder
    engine.dispose()


def test_every_exhibit_has_ten_events_that_are_read_as_they_were_written(filled: Filled) -> None:
    engine, _, _ = filled
    with Session(engine) as session:
        exhibits = session.scalars(select(Exhibit.id)).all()
        entries = timeline(session, exhibits)
    assert len(exhibits) == COUNT
    assert set(Counter(e.event.subject_id for e in entries).values()) == {10}
    assert {e.event.state for e in entries} == {"sequenced"}
    assert all(e.actor_name and e.label for e in entries)


def test_events_are_canonical_and_have_the_members_of_their_kind(filled: Filled) -> None:
    engine, _, _ = filled
    with Session(engine) as session:
        rows = session.scalars(select(CustodyEvent).order_by(CustodyEvent.position)).all()
    assert [row.leaf_index for row in rows] == list(range(len(rows)))
    for row in rows:
        said = json.loads(row.canonical)
        declared, members = DETAILS[Kind(row.kind)], set(said["details"])
        assert rfc8785.dumps(said) == row.canonical
        assert members <= {name.rstrip("?") for name in declared}
        assert members >= {name for name in declared if not name.endswith("?")}


def test_events_are_guarded_again_when_the_database_is_full(filled: Filled) -> None:
    with (
        filled[0].connect() as connection,
        pytest.raises(DatabaseError, match="custody_events is append-only"),
    ):
        connection.execute(text("DELETE FROM custody_events"))


def test_views_of_custody_show_rows_that_contradict_no_event(filled: Filled) -> None:
    """viewing.views raises where an answer tells of a contradiction, or is none."""
    engine, bureau, folder = filled
    url = engine.url.render_as_string(hide_password=False)
    found = viewing.views(url, folder / "data", bureau, count=10)
    with Session(engine) as session:
        of_first = select(ExhibitLink).where(ExhibitLink.case_id == bureau.cases[0])
        assert found.heavy == len(session.scalars(of_first).all()) > 10
    assert {name: len(times) for name, times in found.usual.items()} == {
        "case, API": 10,
        "case, page": 10,
        "exhibit, API": 10,
    }


def test_lists_and_searches_are_measured_for_each_reader(filled: Filled) -> None:
    engine, bureau, _ = filled
    lists, worded = listing.pages(engine, bureau, rounds=2)
    assert len(lists) + len(worded) == len(listing.readers(bureau)) * len(listing.searches(bureau))
    assert not lists.keys() & worded.keys()
    assert {len(times) for times in [*lists.values(), *worded.values()]} == {2}


def test_of_several_cases_the_slowest_is_named() -> None:
    found = listing.together({"quick": [0.001] * 20, "slow": [0.002] * 18 + [0.05] * 2}, 50)
    assert found["slowest"] == {"slow": {"p50_ms": 2.0, "p95_ms": 50.0}}
    assert found["cases"]["quick"] == {"p50_ms": 1.0, "p95_ms": 1.0}
    assert (found["p50_ms"], found["p95_ms"]) == (1.5, 50.0)


def test_events_are_appended_and_sequenced_by_several_at_once(tmp_path: Path) -> None:
    url = databases.database_url(tmp_path / "bench.db")
    found = custody.case(url, tmp_path, writers=2, each=5, events=40)
    assert found["events_a_transaction"] == 5
    assert 1 <= found["checkpoints"] <= 41
    assert found["appended_per_second"] >= found["sequenced_per_second"] > 0


def test_the_picture_of_growth_has_each_size_database_and_target() -> None:
    results = [
        {
            "exhibits": size,
            "database": database,
            "list": {"p95_ms": ms, "target_p95_ms": 50},
            "search": {"p95_ms": 2 * ms, "target_p95_ms": 100},
            "custody": {"p95_ms": 70.2, "target_p95_ms": 100},
        }
        for database, ms in (("sqlite", 8.4), ("postgresql", 120.6))
        for size in (10_000, 1_000_000)
    ]
    picture = ElementTree.fromstring(plot.draw(results))
    words = [element.text for element in picture.iter() if element.tag.endswith("}text")]
    assert [words.count(word) for word in ("10⁴", "10⁶", "wanted: 50 ms", "wanted: 100 ms")] == [
        3,
        3,
        1,
        2,
    ]
    assert {"SQLite", "PostgreSQL", "8 ms", "17 ms", "121 ms", "241 ms", "70 ms"} <= set(words)
    lines = [e.get("points", "") for e in picture.iter() if e.tag.endswith("}polyline")]
    assert len(lines) == 6
    heights = [[float(point.split(",")[1]) for point in line.split()] for line in lines]
    # Higher is slower, and nothing leaves the panel.
    assert heights[0][0] > heights[1][0] > heights[3][0] >= plot.TOP
    assert all(len(set(line)) == 1 for line in heights)


@pytest.mark.grown_up
def test_postgresql_compiles_no_statement_of_ours(filled: Filled) -> None:
    with filled[0].connect() as connection:
        assert connection.scalar(text("SHOW jit")) == "off"


@pytest.mark.grown_up
def test_postgresql_reads_ahead_unless_it_was_told_how_far(filled: Filled) -> None:
    asked = text("SHOW effective_io_concurrency")
    with filled[0].connect() as connection:
        assert connection.scalar(asked) == "64"
    told = create_engine(
        filled[0].url.update_query_dict({"options": "-c effective_io_concurrency=3"})
    )
    with prepare(told).connect() as connection:
        assert connection.scalar(asked) == "3"
    told.dispose()


@pytest.mark.grown_up
def test_nor_what_the_server_does_by_itself_with_our_texts(filled: Filled) -> None:
    """ANALYZE and a restored index cut every text into stretches: 180 ms each, if compiled."""
    with filled[0].connect() as connection:
        connection.execute(text("SET LOCAL jit = on"))
        cut = text("SELECT proconfig FROM pg_proc WHERE oid = 'grams(text, text)'::regprocedure")
        assert connection.scalar(cut) == ["jit=off"]
        connection.execute(text("SET LOCAL statement_timeout = '2s'"))
        connection.execute(
            text("SELECT count(grams('E2026-000123 ' || n, '')) FROM generate_series(1, 60) n")
        )
