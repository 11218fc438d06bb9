"""The demonstration bureau: 23 units, 176 officers, 69 recorders, and some weeks of their work.

Everything goes through the operations that the real system uses, so every act has its event.
Made again, it is found there.
"""

from __future__ import annotations

import datetime as dt
import random
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.cases.cases import Change, Filing, change, file_case
from evidence.cases.models import Sector, Stage
from evidence.clock import SHANGHAI
from evidence.inspections.models import InspectionResult
from evidence.inspections.recording import Record, record
from evidence.people.actor import SYSTEM, Actor, ActorType, Role, Via
from evidence.people.models import Certificate, Officer, Unit, UnitKind
from evidence.recorders import ledger
from evidence.recorders.models import Recorder
from evidence.storage.durable import replace_file
from server.accounts import tokens
from server.accounts.creation import create_account, create_station, token_file
from server.accounts.current import account_actor
from server.accounts.models import Account, Station, TokenKind
from server.accounts.passwords import hash_password
from server.demo import names, recordings
from server.extensions import db, settings, signer
from server.unit_of_work import unit_of_work

OFFICERS = 176
RECORDERS = 69
DUTY_DAYS = 21
# When recordings were made that people try this with, and that the walk-through speaks of.
EARLIER_DAYS = (
    dt.datetime(2019, 11, 18, tzinfo=SHANGHAI),
    dt.datetime(2023, 9, 15, tzinfo=SHANGHAI),
)
_NAMESPACE = UUID("0f6c1f0a-5f0e-4a9e-8a3b-3a3f6f0f7e11")
OFFICER_UNIT, HANDLER_UNIT = "食品流通监管股", "综合行政执法大队"
THE_CASE = "衡东市监罚字〔2023〕451号"
THE_RECORDER = "HD-012"
STATION = "一楼采集站"
# Out by day and night, so that its recordings have a wearer whenever it is started.
ON_NIGHT_DUTY = frozenset({"HD-010", "HD-011", THE_RECORDER, "HD-025", "HD-040"})
_HOME = {
    Role.OFFICER: OFFICER_UNIT,
    Role.HANDLER: HANDLER_UNIT,
    Role.REVIEWER: "综合行政执法大队",
    Role.LEADER: "价格监督检查股",
    Role.ARCHIVIST: "标准化与认证监管股",
    Role.SUPERVISOR: "消费者权益保护股",
}


def make(password: str, changed: bool) -> None:
    """Make what of the bureau is not there; where it stands, only set the password if `changed`.

    The rows come in one transaction; token, recordings and card after it, so that each of them is
    made up for where an earlier start was ended before it.
    """
    if db.session.scalar(select(Account.id).limit(1)) is None:
        _found(password)
    elif changed:
        _set_password(password)
    dock_token = settings().data / "demo-dock-token"
    if not dock_token.exists():
        replace_file(dock_token, _dock_token().encode())
    handler = db.session.scalar(select(Account).where(Account.username == Role.HANDLER.value))
    station = db.session.scalar(select(Station).where(Station.name == STATION))
    if handler is None or station is None:
        raise RuntimeError("the demonstration's handler or station has been removed")
    recordings.bring_in(station, account_actor(handler, Via.CONSOLE))
    recordings.make_card(settings().data / "demo-card", station.created_at)


def _found(password: str) -> None:
    chance = random.Random(20231)  # noqa: S311  (the same bureau every time; nothing secret)
    with unit_of_work() as session:
        units = _units(session)
        officers = _officers(session, units, chance)
        accounts = _accounts(session, officers, password)
        administrator = accounts[Role.ADMINISTRATOR]
        recorders = _recorders(session, units, administrator)
        _ledger(session, recorders, officers, chance)
        _inspections(session, officers, chance)
        _cases(session, units, officers, accounts, chance)
        create_station(session, STATION, None, administrator)


def _dock_token() -> str:
    """A token file for the demonstration's dock, which was never given out before."""
    with unit_of_work() as session:
        station = session.scalars(select(Station).where(Station.name == STATION)).one()
        _, secret = tokens.issue(session, TokenKind.STATION, station, SYSTEM)
    return token_file(secret, signer().verifier_key)


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
    """Three weeks, and a few days of earlier years; HD-012 is the demonstration officer's."""
    today = clock.now().astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    recent = [today - dt.timedelta(days=back) for back in range(DUTY_DAYS, -1, -1)]
    for recorder in recorders:
        staff = officers[recorder.unit.name]
        if recorder.number in ON_NIGHT_DUTY:
            earlier = EARLIER_DAYS if recorder.number == THE_RECORDER else EARLIER_DAYS[1:]
            for day in (*earlier, *recent):
                officer = staff[0] if recorder.number == THE_RECORDER else chance.choice(staff)
                out = day + dt.timedelta(hours=8)
                _duty(session, recorder, officer, out, out + dt.timedelta(hours=24))
            continue
        for day in (*EARLIER_DAYS[1:], *recent[:-1]):
            if day.weekday() < 5 and chance.random() < 0.6:
                out = day + dt.timedelta(hours=8, minutes=chance.randint(0, 50))
                back = day + dt.timedelta(hours=18, minutes=chance.randint(0, 50))
                _duty(session, recorder, chance.choice(staff), out, back)


def _duty(
    session: Session, recorder: Recorder, officer: Officer, out: dt.datetime, back: dt.datetime
) -> None:
    """One check-out, as far as it lies in the past: what is still to come is not in the ledger."""
    now = clock.now()
    if out > now:
        return
    by = _on_duty(officer)
    ledger.check_out(session, recorder, officer, by, at=out, purpose="日常检查")
    if back <= now:
        ledger.check_in(session, recorder, by, at=back)


def _inspections(
    session: Session, officers: dict[str, list[Officer]], chance: random.Random
) -> None:
    today = clock.now().astimezone(SHANGHAI).date()
    results = list(InspectionResult)
    for number in range(30):
        unit = OFFICER_UNIT if number % 4 == 0 else chance.choice(list(names.INSPECTION_UNITS))
        first, second = officers[unit][0], officers[unit][1]
        day = today - dt.timedelta(days=1 + number % 7)
        hour = dt.time(chance.randint(9, 16), chance.randint(0, 59), tzinfo=SHANGHAI)
        began = dt.datetime.combine(day, hour)
        record(
            session,
            _on_duty(first),
            Record(
                id=uuid5(_NAMESPACE, f"inspection {number}"),
                party=names.party(chance),
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
    stages = (Stage.INVESTIGATING, Stage.DECIDED, Stage.CLOSED)
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
        filed = dt.date(2023, 9, 15) - dt.timedelta(days=451 - number)
        case = file_case(
            session,
            by,
            Filing(
                number=f"衡东市监罚字〔2023〕{number}号",
                party=names.party(chance),
                sector=list(Sector)[number % len(Sector)],
                filed_on=filed,
            ),
        )
        if mine and number % 2:
            change(session, case, by, Change(reviewer_id=reviewer))
        if number < 430:
            change(session, case, by, Change(stage=stages[number % len(stages)]))
