"""Lists, searches and custody views of a bureau of any size, on SQLite and on PostgreSQL.

A list is one page of 50 by each filter, for each reader; a search, one with words. A custody view
is a whole answer of the application, without the network: a case's by the API and as a page, an
exhibit's by the API.
"""

from __future__ import annotations

import datetime as dt
import gc
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session

from evidence.custody.models import CustodyEvent
from evidence.exhibits import finding
from evidence.exhibits.finding import Filters
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import ExhibitState, MediaState
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.sqlite import prepare
from scripts.benchmarks import viewing
from scripts.benchmarks.bureau import START, Bureau
from scripts.benchmarks.filling import fill
from scripts.benchmarks.postgresql import Cluster
from server.migrate import upgrade

EXHIBITS = 200_000
DATABASES = ("sqlite", "postgresql")
ROUNDS = 30
TARGETS = {"list": 50, "search": 100, "custody": 100}


def searches(bureau: Bureau) -> dict[str, Filters]:
    middle = START + dt.timedelta(days=100)
    return {
        "none": Filters(),
        "unit": Filters(unit_id=bureau.units[3]),
        "unit, empty": Filters(unit_id=bureau.units[-1]),
        "recorder": Filters(recorder_id=bureau.recorders[7]),
        "officer": Filters(officer_id=bureau.officers[90]),
        "case": Filters(case_id=bureau.cases[450]),
        "state sealed": Filters(state=ExhibitState.SEALED),
        "state quarantined": Filters(state=ExhibitState.QUARANTINED),
        "media state": Filters(media_state=MediaState.UNREADABLE),
        "flag": Filters(flag=Flag.LATE_UPLOAD),
        "received, one day": Filters(
            received_from=middle, received_until=middle + dt.timedelta(days=1)
        ),
        "received, until": Filters(received_until=middle),
        "recorded, one day": Filters(
            recorded_from=middle, recorded_until=middle + dt.timedelta(days=1)
        ),
        "recorded, until": Filters(recorded_until=middle),
        "text, a name": Filters(text=bureau.names[17]),
        "text, a surname": Filters(text="罗"),
        "text, a case": Filters(text="罚字〔2023〕451号"),
        "text, a party": Filters(text="王记食品"),
        "text, a file": Filters(text="cam042_000111_202305"),
        "text, a day": Filters(text="20230401"),
        "text, a label": Filters(text="E2023-000123"),
        "text, everywhere": Filters(text="mp4"),
        "text, nowhere": Filters(text="并不存在"),
        "text, two characters": Filters(text="食品"),
        "text and recorder": Filters(text="20230401", recorder_id=bureau.recorders[7]),
        "text and unit, empty": Filters(text="mp4", unit_id=bureau.units[-1]),
        "unit and state": Filters(unit_id=bureau.units[3], state=ExhibitState.QUARANTINED),
        "flag and unit": Filters(flag=Flag.CLOCK_SUSPECT, unit_id=bureau.units[3]),
    }


def readers(bureau: Bureau) -> dict[str, Actor]:
    def reader(role: Role, unit_id: UUID | None, *hands_over: UUID) -> Actor:
        return Actor(
            type=ActorType.OFFICER,
            id=uuid4(),
            via=Via.CONSOLE,
            name=role.value,
            roles=frozenset({role}),
            unit_id=unit_id,
            hands_over=frozenset(hands_over),
        )

    return {
        "supervisor": reader(Role.SUPERVISOR, None),
        "handler": reader(Role.HANDLER, bureau.units[1], bureau.units[2], bureau.units[3]),
        "officer": reader(Role.OFFICER, bureau.units[3]),
        "officer, empty unit": reader(Role.OFFICER, bureau.units[-1]),
        "reviewer": reader(Role.REVIEWER, None),
    }


def _took(times: list[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(times)
    return {
        "p50_ms": round(statistics.median(ordered) * 1000, 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] * 1000, 1),
    }


def together(cases: Mapping[str, list[float]], target: int) -> dict[str, Any]:
    """Of all of them, of the slowest case, and of each."""
    each = {name: _took(times) for name, times in cases.items()}
    slowest = max(each, key=lambda name: each[name]["p95_ms"])
    return {
        **_took([seconds for times in cases.values() for seconds in times]),
        "target_p95_ms": target,
        "slowest": {slowest: each[slowest]},
        "cases": each,
    }


def pages(
    engine: Engine, bureau: Bureau, rounds: int = ROUNDS
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of lists and of searches, loaded with what a row of the list shows."""
    lists: dict[str, list[float]] = {}
    worded: dict[str, list[float]] = {}
    for who, actor in readers(bureau).items():
        for what, filters in searches(bureau).items():
            times = (worded if filters.text else lists).setdefault(f"{who}: {what}", [])
            for _ in range(rounds):
                with Session(engine) as session:
                    began = time.perf_counter()
                    finding.search(session, actor, filters)
                    times.append(time.perf_counter() - began)
    return lists, worded


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty one."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'listing.db'}"
    else:
        with Cluster(max_wal_size="8GB") as cluster:
            yield cluster.url


def measured(url: str, folder: Path, size: int) -> dict[str, Any]:
    """Fill the empty database at `url` with `size` exhibits, and measure."""
    engine = prepare(create_engine(url))
    upgrade(engine)
    began = time.perf_counter()
    with Session(engine) as session:
        bureau = fill(session, size)
    filled = time.perf_counter() - began
    engine.dispose()
    return {"exhibits": size, "filled_s": round(filled, 1), **figures(url, folder, bureau)}


def figures(url: str, folder: Path, bureau: Bureau) -> dict[str, Any]:
    """Of the filled database at `url`."""
    engine = prepare(create_engine(url))
    # As the web process does when it has started.
    gc.collect()
    gc.freeze()
    lists, worded = pages(engine, bureau)
    with Session(engine) as session:
        last = session.scalar(select(func.max(CustodyEvent.leaf_index)))
    engine.dispose()
    views = viewing.views(url, folder / "data", bureau)
    found = {"list": lists, "search": worded, "custody": views.usual}
    return {
        "database": engine.dialect.name,
        "events": 0 if last is None else last + 1,
        **{name: together(times, TARGETS[name]) for name, times in found.items()},
        "heavy_case": {"exhibits": views.heavy, **together(views.of_heavy, TARGETS["custody"])},
    }


def run(
    scratch: Path, sizes: Sequence[int] = (EXHIBITS,), databases: Sequence[str] = DATABASES[:1]
) -> Iterator[dict[str, Any]]:
    """One result for each size and database."""
    for size in sizes:
        for kind in databases:
            folder = scratch / f"{kind}-{size}"
            folder.mkdir()
            with _database(kind, folder) as url:
                yield measured(url, folder, size)
