"""Listing 50 of 200,000 exhibits with every filter: how long, at the median and at p95."""

from __future__ import annotations

import datetime as dt
import gc
import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session

import evidence.inspections.models
import evidence.uploads.models  # noqa: F401  (every table is known before they are made)
from evidence.base import Base
from evidence.cases.models import Case, Sector, Stage
from evidence.exhibits import finding
from evidence.exhibits.finding import Filters
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit, ExhibitLink, ExhibitState, MediaState
from evidence.exhibits.order import position_of
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.people.models import Officer, Unit, UnitKind
from evidence.recorders.models import Recorder
from evidence.sqlite import prepare

EXHIBITS = 200_000
ROUNDS = 30
_START = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "伟芳娜敏静磊洋勇军杰娟涛明超霞平刚桂英华"


@dataclass(frozen=True, slots=True)
class Bureau:
    """What the rows of a filled database refer to."""

    units: list[UUID]
    officers: list[UUID]
    recorders: list[UUID]
    cases: list[UUID]
    names: list[str]


def _people(session: Session, chance: random.Random) -> Bureau:
    units = [
        {"id": uuid4(), "name": f"第{n}监管所", "kind": UnitKind.BOTH, "hands_over_to_id": None}
        for n in range(23)
    ]
    # One unit has nothing at all: the search that finds nothing must be quick too.
    busy = units[:-1]
    officers = [
        {
            "id": uuid4(),
            "name": chance.choice(_SURNAMES) + "".join(chance.choices(_GIVEN, k=1 + n % 2)),
            "badge": f"430424{n:04d}",
            "unit_id": busy[n % 22]["id"],
        }
        for n in range(176)
    ]
    recorders = [
        {"id": uuid4(), "number": f"HD-{n:03d}", "key": f"HD{n:03d}", "unit_id": busy[n % 22]["id"]}
        for n in range(69)
    ]
    cases = [
        {
            "id": uuid4(),
            "number": f"衡东市监罚字〔2023〕{n}号",
            "number_raw": f"衡东市监罚字〔2023〕{n}号",
            "number_org": "衡东",
            "number_kind": "罚",
            "number_year": 2023,
            "number_seq": n,
            "party": f"衡东县{chance.choice(_SURNAMES)}记食品店",
            "sector": Sector.FOOD,
            "stage": Stage.FILED,
            "unit_id": busy[n % 22]["id"],
            "filed_on": _START.date(),
            "created_at": _START,
        }
        for n in range(1, 452)
    ]
    for model, rows in ((Unit, units), (Officer, officers), (Recorder, recorders), (Case, cases)):
        session.execute(insert(model), rows)
    return Bureau(
        units=[u["id"] for u in units],  # type: ignore[misc]
        officers=[o["id"] for o in officers],  # type: ignore[misc]
        recorders=[r["id"] for r in recorders],  # type: ignore[misc]
        cases=[c["id"] for c in cases],  # type: ignore[misc]
        names=[str(o["name"]) for o in officers],
    )


def _exhibit(n: int, bureau: Bureau, chance: random.Random) -> dict[str, Any]:
    received = _START + dt.timedelta(minutes=2.6 * n, seconds=chance.random())
    recorded = received - dt.timedelta(hours=chance.expovariate(1 / 8))
    wearer = chance.randrange(176)
    digest = f"{n:064x}"
    return {
        "id": uuid4(),
        "label": f"E{received.year}-{n:06d}",
        "state": ExhibitState.QUARANTINED if n % 997 == 0 else ExhibitState.SEALED,
        "sha256": digest,
        "size": chance.randrange(10**6, 10**9),
        "sha256_claim": digest,
        "sha256_received": digest,
        "sha256_read_back": digest,
        "segments_digest": digest,
        "filename": f"DCAM_CAM{wearer % 69:03d}_{wearer:06d}_{recorded:%Y%m%d_%H%M%S}.mp4",
        "recorder_claim": f"HD-{wearer % 69:03d}",
        "recorded_at_claim": recorded.isoformat(),
        "flags": [f.value for f in Flag if chance.random() < 0.02],
        "recorded_at": recorded,
        "recorder_id": bureau.recorders[wearer % 69],
        "officer_id": bureau.officers[wearer],
        "unit_id": bureau.units[wearer % 22],
        "received_at": received,
        "sealed_at": received,
        "media_state": MediaState.UNREADABLE if n % 499 == 0 else MediaState.READ,
        "media_type": "video/mp4",
        "duration_ms": 60_000,
    }


def fill(session: Session, count: int = EXHIBITS) -> Bureau:
    """Fill an empty database; every fifth exhibit is linked to a case."""
    chance = random.Random(20230915)  # noqa: S311  (the same rows every time)
    bureau = _people(session, chance)
    for first in range(0, count, 5000):
        rows = [_exhibit(n, bureau, chance) for n in range(first, min(first + 5000, count))]
        session.execute(insert(Exhibit), rows)
        links = []
        for row in rows[::5]:
            place = chance.randrange(451)
            links.append(
                {
                    "id": uuid4(),
                    "exhibit_id": row["id"],
                    "exhibit_position": position_of(row["received_at"], row["label"]),
                    "case_id": bureau.cases[place],
                    "unit_id": bureau.units[(place + 1) % 22],
                    "target_text": f"衡东市监罚字〔2023〕{place + 1}号 衡东县王记食品店",
                    "sha256_at_link": row["sha256"],
                    "linked_by": bureau.officers[0],
                    "linked_at": row["received_at"],
                }
            )
        session.execute(insert(ExhibitLink), links)
        session.commit()
    return bureau


def _searches(bureau: Bureau) -> dict[str, Filters]:
    middle = _START + dt.timedelta(days=100)
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


def _readers(bureau: Bureau) -> dict[str, Actor]:
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


def _percentile(times: list[float], share: float) -> float:
    return round(sorted(times)[min(len(times) - 1, int(share * len(times)))] * 1000, 1)


def run(scratch: Path) -> dict[str, Any]:
    """Milliseconds for one page of 50, loaded with what a row of the list shows."""
    engine = prepare(create_engine(f"sqlite:///{scratch / 'listing.db'}"))
    Base.metadata.create_all(engine)
    started = time.perf_counter()
    with Session(engine) as session:
        bureau = fill(session)
    filled = time.perf_counter() - started
    # As the web process does when it has started.
    gc.collect()
    gc.freeze()
    every: list[float] = []
    cases: dict[str, dict[str, float]] = {}
    for who, actor in _readers(bureau).items():
        for what, filters in _searches(bureau).items():
            times = []
            for _ in range(ROUNDS):
                with Session(engine) as session:
                    began = time.perf_counter()
                    finding.search(session, actor, filters)
                    times.append(time.perf_counter() - began)
            every += times
            cases[f"{who}: {what}"] = {
                "p50_ms": _percentile(times, 0.5),
                "p95_ms": _percentile(times, 0.95),
            }
    engine.dispose()
    slowest = max(cases, key=lambda name: cases[name]["p95_ms"])
    return {
        "exhibits": EXHIBITS,
        "filled_s": round(filled, 1),
        "p50_ms": round(statistics.median(every) * 1000, 1),
        "p95_ms": _percentile(every, 0.95),
        "target_p95_ms": 50,
        "slowest": {slowest: cases[slowest]},
        "cases": cases,
    }
