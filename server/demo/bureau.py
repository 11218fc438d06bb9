"""The demonstration bureau: 23 units, 176 officers, 69 recorders, and some weeks of their work.

Everything goes through the operations that the real system uses, so every act has its event.
Making it again finds it there, and only sets the password.
"""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.cases.cases import Filing, file_case
from evidence.cases.models import Case, Sector
from evidence.clock import SHANGHAI
from evidence.exhibits.models import Exhibit
from evidence.inspections.models import InspectionResult
from evidence.inspections.recording import Record, record
from evidence.people.actor import SYSTEM, Actor, ActorType, Role, Via
from evidence.people.models import Certificate, Officer, Unit, UnitKind
from evidence.recorders import ledger
from evidence.recorders.models import Recorder
from server.accounts import tokens
from server.accounts.creation import create_account, create_station, token_file
from server.accounts.current import account_actor
from server.accounts.models import Account, Station, TokenKind
from server.accounts.passwords import hash_password
from server.accounts.secrets import keep_secret
from server.demo import names, recordings
from server.extensions import db, settings, signer
from server.unit_of_work import unit_of_work

OFFICERS = 176
RECORDERS = 69
DUTY_DAYS = 8
_NAMESPACE = UUID("0f6c1f0a-5f0e-4a9e-8a3b-3a3f6f0f7e11")
OFFICER_UNIT, HANDLER_UNIT = "食品流通监管股", "综合行政执法大队"
THE_CASE = "衡东市监罚字〔2023〕451号"
THE_RECORDER = "HD-012"
_HOME = {
    Role.OFFICER: OFFICER_UNIT,
    Role.HANDLER: HANDLER_UNIT,
    Role.REVIEWER: "综合行政执法大队",
    Role.LEADER: "价格监督检查股",
    Role.ARCHIVIST: "标准化与认证监管股",
    Role.SUPERVISOR: "消费者权益保护股",
}


def make(password: str) -> None:
    """Make what is missing of the bureau; where it stands, set its accounts' password."""
    if db.session.scalar(select(Account.id).limit(1)) is None:
        _people_and_papers(password)
    else:
        _set_password(password)
    data = settings().data
    if not (data / "demo-dock-token").exists():
        _station(data / "demo-dock-token")
    if db.session.scalar(select(Exhibit.id).limit(1)) is None:
        handler = db.session.scalars(select(Account).filter_by(username=Role.HANDLER.value)).one()
        recordings.bring_in(account_actor(handler, Via.CONSOLE))
    if not (data / "demo-card").exists():
        recordings.make_card(data / "demo-card")


def _people_and_papers(password: str) -> None:
    chance = random.Random(20231)  # noqa: S311  (the same bureau every time; nothing secret)
    with unit_of_work() as session:
        units = _units(session)
        officers = _officers(session, units, chance)
        accounts = _accounts(session, officers, password)
        recorders = _recorders(session, units, accounts[Role.ADMINISTRATOR])
        _ledger(session, recorders, officers, chance)
        _inspections(session, officers, chance)
        _cases(session, units, officers, accounts, chance)


def _station(path: Path) -> None:
    with unit_of_work() as session:
        station = session.scalars(select(Station)).first()
        if station is None:
            station = create_station(session, "一楼采集站", None, SYSTEM)
        _, secret = tokens.issue(session, TokenKind.STATION, station, SYSTEM)
    keep_secret(path, token_file(secret, signer().verifier_key))


def _set_password(password: str) -> None:
    with unit_of_work() as session:
        hashed = hash_password(password)
        for account in session.scalars(select(Account)):
            account.password_hash = hashed


def _units(session: Session) -> dict[str, Unit]:
    units = {name: Unit(name=name, kind=UnitKind.HANDLING) for name in names.HANDLING_UNITS}
    session.add_all(units.values())
    session.flush()
    for name, handling in names.INSPECTION_UNITS.items():
        units[name] = Unit(name=name, kind=UnitKind.INSPECTION, hands_over_to_id=units[handling].id)
        session.add(units[name])
    session.flush()
    return units


def _officers(
    session: Session, units: dict[str, Unit], chance: random.Random
) -> dict[str, list[Officer]]:
    """By unit; each with a certificate, a few of which have expired."""
    today = clock.now().astimezone(SHANGHAI).date()
    found: dict[str, list[Officer]] = {name: [] for name in units}
    for number in range(1, OFFICERS + 1):
        unit = list(units.values())[(number - 1) % len(units)]
        officer = Officer(name=names.officer(chance), badge=f"430424{number:03d}", unit=unit)
        expired = number > OFFICERS - 4
        ended = today - dt.timedelta(days=40)
        officer.certificates = [
            Certificate(
                number=f"湘D4304{number:04d}",
                valid_from=dt.date(2019, 1, 1),
                valid_to=ended if expired else dt.date(today.year + 3, 12, 31),
            )
        ]
        session.add(officer)
        found[unit.name].append(officer)
    session.flush()
    return found


def _accounts(
    session: Session, officers: dict[str, list[Officer]], password: str
) -> dict[Role, Actor]:
    """One account a role, called by it; the last officer of a unit stands behind it."""
    actors = {}
    for role in Role:
        if role is Role.STATION:
            continue
        home = _HOME.get(role)
        place = -2 if role is Role.REVIEWER else 0
        officer = officers[home][place] if home else None
        account = create_account(
            session, role.value, password, {role}, officer_id=officer.id if officer else None
        )
        session.flush()
        actors[role] = account_actor(account, Via.CONSOLE)
    return actors


def _recorders(session: Session, units: dict[str, Unit], by: Actor) -> list[Recorder]:
    """Three a unit. HD-012 is the demonstration officer's unit's."""
    order = list(units.values())
    of_officer = order.index(units[OFFICER_UNIT])
    # The twelfth recorder falls to the fourth unit: put the officer's there.
    order[3], order[of_officer] = order[of_officer], order[3]
    return [
        ledger.register(
            session, f"HD-{n:03d}", order[(n - 1) // 3], by, model="DSJ-A9", serial=f"A9{n:06d}"
        )
        for n in range(1, RECORDERS + 1)
    ]


def _on_duty(officer: Officer) -> Actor:
    return Actor(
        type=ActorType.OFFICER,
        id=officer.id,
        via=Via.CONSOLE,
        name=officer.name,
        roles=frozenset({Role.OFFICER}),
        unit_id=officer.unit_id,
    )


def _ledger(
    session: Session,
    recorders: list[Recorder],
    officers: dict[str, list[Officer]],
    chance: random.Random,
) -> None:
    """A check-out a working day and recorder; HD-012 is always the demonstration officer's."""
    today = clock.now().astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - dt.timedelta(days=back) for back in range(DUTY_DAYS, 0, -1)]
    days.insert(0, dt.datetime(2023, 9, 15, tzinfo=SHANGHAI))
    for recorder in recorders:
        staff = officers[recorder.unit.name]
        for day in days:
            the_one = recorder.number == THE_RECORDER
            if not the_one and (day.weekday() > 4 or chance.random() < 0.4):
                continue
            officer = staff[0] if the_one else chance.choice(staff)
            out = day + dt.timedelta(hours=8, minutes=0 if the_one else chance.randint(0, 50))
            back = day + dt.timedelta(hours=18, minutes=chance.randint(0, 50))
            by = _on_duty(officer)
            ledger.check_out(session, recorder, officer, by, at=out, purpose="日常检查")
            ledger.check_in(session, recorder, by, at=back)


def _inspections(
    session: Session, officers: dict[str, list[Officer]], chance: random.Random
) -> None:
    now = clock.now()
    results = list(InspectionResult)
    for number in range(30):
        unit = OFFICER_UNIT if number % 4 == 0 else chance.choice(list(names.INSPECTION_UNITS))
        first, second = officers[unit][0], officers[unit][1]
        began = now - dt.timedelta(days=1 + number % 7, hours=chance.randint(0, 4), minutes=number)
        record(
            session,
            _on_duty(first),
            Record(
                id=uuid5(_NAMESPACE, f"inspection {number}"),
                party=names.party(chance, unit),
                place=names.place(chance),
                started_at=began,
                ended_at=began + dt.timedelta(minutes=chance.randint(15, 90)),
                officer_ids=[first.id, second.id],
                id_shown=True,
                recording_told=True,
                result=results[number % len(results)]
                if number % 3
                else InspectionResult.NO_FINDING,
                findings="" if number % 3 == 0 else "货架上有超过保质期的预包装食品。",
            ),
        )


def _cases(
    session: Session,
    units: dict[str, Unit],
    officers: dict[str, list[Officer]],
    accounts: dict[Role, Actor],
    chance: random.Random,
) -> None:
    """Forty cases; the one that the walk-through uses is the demonstration handler's."""
    reviewer = accounts[Role.REVIEWER].id
    today = clock.now().astimezone(SHANGHAI).date()
    for number in range(412, 452):
        mine = number % 3 == 1
        unit = units[HANDLER_UNIT] if mine else units[names.HANDLING_UNITS[number % 10]]
        handler = officers[unit.name][0]
        by = Actor(
            type=ActorType.OFFICER,
            id=handler.id,
            via=Via.CONSOLE,
            name=handler.name,
            roles=frozenset({Role.HANDLER}),
            unit_id=unit.id,
        )
        filed = dt.date(2023, 9, 15) if number == 451 else today - dt.timedelta(days=460 - number)
        case: Case = file_case(
            session,
            by,
            Filing(
                number=f"衡东市监罚字〔2023〕{number}号",
                party=names.party(chance, unit.name),
                sector=list(Sector)[number % len(Sector)],
                filed_on=filed,
            ),
        )
        if unit.name == HANDLER_UNIT and number % 2:
            case.reviewer_id = reviewer
