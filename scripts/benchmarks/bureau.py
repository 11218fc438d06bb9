"""Rows of a made-up bureau: its people, cases, recorders, exhibits and links.

The same for the same chance, but for the identifiers. Every fifth exhibit is linked to a case
taken at random, twenty to a case on the average (of a small bureau, the newest cases); one case has
HEAVY of them.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from evidence.cases.models import Sector, Stage
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import ExhibitState, MediaState
from evidence.exhibits.order import position_of
from evidence.people.models import UnitKind

Row = dict[str, Any]

START = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
HEAVY = 500
OFFICERS, RECORDERS, UNITS = 176, 69, 22
_FEWEST_CASES = 451  # of the bureau's first year
_MINUTES = 2.6  # between two exhibits
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


@dataclass(frozen=True, slots=True)
class People:
    """The rows that a bureau begins with. One unit has nothing at all."""

    units: list[Row]
    officers: list[Row]
    recorders: list[Row]
    cases: list[Row]

    def bureau(self) -> Bureau:
        return Bureau(
            units=[row["id"] for row in self.units],
            officers=[row["id"] for row in self.officers],
            recorders=[row["id"] for row in self.recorders],
            cases=[row["id"] for row in self.cases],
            names=[row["name"] for row in self.officers],
        )


def people(count: int, chance: random.Random) -> People:
    """Those of a bureau with `count` exhibits."""
    units: list[Row] = [
        {"id": uuid4(), "name": f"第{n}监管所", "kind": UnitKind.BOTH, "hands_over_to_id": None}
        for n in range(UNITS + 1)
    ]
    return People(
        units=units,
        officers=[
            {
                "id": uuid4(),
                "name": chance.choice(_SURNAMES) + "".join(chance.choices(_GIVEN, k=1 + n % 2)),
                "badge": f"430424{n:04d}",
                "unit_id": units[n % UNITS]["id"],
            }
            for n in range(OFFICERS)
        ],
        recorders=[
            {
                "id": uuid4(),
                "number": f"HD-{n:03d}",
                "key": f"HD{n:03d}",
                "unit_id": units[n % UNITS]["id"],
            }
            for n in range(RECORDERS)
        ],
        cases=list(_cases(max(_FEWEST_CASES, count // 100), units, chance)),
    )


def _cases(count: int, units: list[Row], chance: random.Random) -> Iterator[Row]:
    for n in range(1, count + 1):
        yield {
            "id": uuid4(),
            "number": case_number(n - 1),
            "number_raw": case_number(n - 1),
            "number_org": "衡东",
            "number_kind": "罚",
            "number_year": 2023,
            "number_seq": n,
            "party": f"衡东县{chance.choice(_SURNAMES)}记食品店",
            "sector": Sector.FOOD,
            "stage": Stage.FILED,
            "unit_id": units[n % UNITS]["id"],
            "filed_on": START.date(),
            "created_at": START,
        }


def case_number(place: int) -> str:
    return f"衡东市监罚字〔2023〕{place + 1}号"


def wearer_on(recorder: int, day: dt.date) -> int:
    """Which officer has that recorder on that day: they take turns."""
    turns = range(recorder, OFFICERS, RECORDERS)
    return turns[day.toordinal() % len(turns)]


def received_at(n: int) -> dt.datetime:
    """When about the exhibit `n` came in."""
    return START + dt.timedelta(minutes=_MINUTES * n)


def exhibit(n: int, bureau: Bureau, chance: random.Random) -> Row:
    received = received_at(n) + dt.timedelta(seconds=chance.random())
    recorded = received - dt.timedelta(hours=chance.expovariate(1 / 8))
    recorder = chance.randrange(RECORDERS)
    wearer = wearer_on(recorder, recorded.date())
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
        "filename": f"DCAM_CAM{recorder:03d}_{wearer:06d}_{recorded:%Y%m%d_%H%M%S}.mp4",
        "recorder_claim": f"HD-{recorder:03d}",
        "recorded_at_claim": recorded.isoformat(),
        "flags": [f.value for f in Flag if chance.random() < 0.02],
        "recorded_at": recorded,
        "recorder_id": bureau.recorders[recorder],
        "officer_id": bureau.officers[wearer],
        "unit_id": bureau.units[wearer % UNITS],
        "upload_id": uuid4(),
        "received_at": received,
        "sealed_at": received,
        "media_state": MediaState.UNREADABLE if n % 499 == 0 else MediaState.READ,
        "media_type": "video/mp4",
        "duration_ms": 60_000,
    }


def case_of(n: int, count: int, bureau: Bureau, chance: random.Random) -> int | None:
    """The place of the case that the exhibit `n` of `count` is linked to; the first is heavy."""
    if n % 5 == 0:
        last = len(bureau.cases) - 1
        return last - chance.randrange(min(max(count // 100, 10), last))
    return 0 if n % max(count // HEAVY, 20) == 1 else None


def link(row: Row, place: int, bureau: Bureau) -> Row:
    """The link of an exhibit to the case at `place`."""
    return {
        "id": uuid4(),
        "exhibit_id": row["id"],
        "exhibit_position": position_of(row["received_at"], row["label"]),
        "case_id": bureau.cases[place],
        "unit_id": bureau.units[(place + 1) % UNITS],
        "target_text": f"{case_number(place)} 衡东县王记食品店",
        "sha256_at_link": row["sha256"],
        "linked_by": bureau.officers[0],
        "linked_at": row["received_at"],
    }
