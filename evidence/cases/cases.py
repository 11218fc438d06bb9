"""Filing a case and changing it: its stage, its party, the reviewer it is sent to."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.cases import finding, numbers
from evidence.cases.linking import target_of
from evidence.cases.models import Case, Sector, Stage
from evidence.cases.reach import reach_of
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.errors import (
    AccessDenied,
    CaseArchived,
    Conflict,
    IdentifierReused,
    InspectionSeparatedFromPenalty,
    InvalidInput,
)
from evidence.exhibits import linking
from evidence.people import access
from evidence.people.access import Act, Reach
from evidence.people.actor import Actor, ActorType
from evidence.people.models import Officer, OfficerStatus, Unit, UnitKind
from evidence.turns import take_turn

# Two who file one number at once do so in turn.
_NUMBERS = UUID("c0a1d3a5-6f0b-4b9e-9a8c-6d1f9b1b7f11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """What is said when a case is filed. With `id`, sent twice it is one case."""

    number: str
    party: str
    sector: Sector
    filed_on: dt.date
    id: UUID | None = None
    handler_id: UUID | None = None


def file_case(session: Session, by: Actor, filing: Filing) -> Case:
    """File a case for the actor's own unit; the same filing under the same id is the same case.

    Raises MalformedCaseNumber, InspectionSeparatedFromPenalty, AccessDenied, Conflict where the
    number is taken, IdentifierReused, InvalidInput.
    """
    unit = _handling_unit(session, by)
    number = numbers.parse(filing.number)
    handler_id = filing.handler_id or (by.id if by.type is ActorType.OFFICER else None)
    take_turn(session, uuid5(_NUMBERS, str(number.key)))
    known = session.get(Case, filing.id) if filing.id else None
    if known:
        said = (number.key, filing.party, filing.sector, filing.filed_on, unit.id)
        if said != (_key(known), known.party, known.sector, known.filed_on, known.unit_id):
            raise IdentifierReused(id=str(known.id))
        return known
    if session.scalar(select(Case.id).where(finding.has_number(number))):
        raise Conflict(f"A case {number.text} is filed already.", number=number.text)
    handler = _officer(session, handler_id, "handler") if handler_id else None
    if handler and handler.unit_id != unit.id:
        raise InvalidInput(f"{handler.name} is not of {unit.name}, which files the case.")
    case = Case(
        id=filing.id or uuid4(),
        number=number.text,
        number_raw=filing.number,
        number_org=number.org,
        number_kind=number.kind,
        number_year=number.year,
        number_seq=number.seq,
        party=filing.party,
        sector=filing.sector,
        stage=Stage.FILED,
        unit=unit,
        handler=handler,
        reviewer=None,
        filed_on=filing.filed_on,
        created_at=clock.now(),
    )
    session.add(case)
    session.flush()
    append(session, Kind.CASE_FILED, case.id, by, number=case.number, unit=str(unit.id))
    return case


def _handling_unit(session: Session, by: Actor) -> Unit:
    """The actor's own unit, which must be one that handles cases."""
    unit = session.get(Unit, by.unit_id) if by.unit_id else None
    if unit and unit.kind is UnitKind.INSPECTION:
        raise InspectionSeparatedFromPenalty(unit=unit.name)
    access.require(by, Act.CASE_FILE)
    if unit is None or not unit.kind.handles_cases:
        raise AccessDenied("Only an officer of a unit that handles cases files a case.")
    return unit


def _key(case: Case) -> tuple[str, str, int, int]:
    return case.number_org, case.number_kind, case.number_year, case.number_seq


def _officer(session: Session, officer_id: UUID, part: str) -> Officer:
    officer = session.get(Officer, officer_id)
    if officer is None or officer.status is not OfficerStatus.ACTIVE:
        raise InvalidInput(f"The {part} named is not an active officer.", officer=str(officer_id))
    return officer


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be different; None leaves a member as it is."""

    stage: Stage | None = None
    party: str | None = None
    sector: Sector | None = None
    handler_id: UUID | None = None
    reviewer_id: UUID | None = None  # the case is sent to this officer (法制审核)


def change(session: Session, case: Case, by: Actor, wanted: Change) -> Case:
    """Change a case. What does not differ is no change, and no event.

    Raises AccessDenied, CaseArchived, Conflict (a reviewer who handles the case, archiving what
    is not closed), InvalidInput.
    """
    take_turn(session, case.id)
    session.refresh(case)
    if case.stage is Stage.ARCHIVED:
        raise CaseArchived(f"{case.number} is archived; it cannot be changed.", number=case.number)
    act = Act.CASE_ARCHIVE if wanted.stage is Stage.ARCHIVED else Act.CASE_FILE
    access.require(by, act, Reach(unit_ids=reach_of(case).unit_ids))
    _check_change(session, case, wanted)
    changed: dict[str, dict[str, str | None]] = {}
    for name in ("stage", "party", "sector", "handler_id", "reviewer_id"):
        old, new = getattr(case, name), getattr(wanted, name)
        if new is None or new == old:
            continue
        setattr(case, name, new)
        changed[name.removesuffix("_id")] = {"from": _said(old), "to": _said(new)}
    if not changed:
        return case
    session.flush()
    session.refresh(case, ["handler", "reviewer"])
    linking.keep_current(session, target_of(case))
    append(session, Kind.CASE_CHANGED, case.id, by, number=case.number, changed=changed)
    return case


def _said(value: object) -> str | None:
    return None if value is None else str(value)


def _check_change(session: Session, case: Case, wanted: Change) -> None:
    if wanted.stage is Stage.ARCHIVED:
        if case.stage is not Stage.CLOSED:
            raise Conflict("Only a closed case can be archived.", stage=case.stage.value)
        if wanted != Change(stage=Stage.ARCHIVED):
            raise Conflict("Archive a case by itself; change the rest before.")
    if wanted.handler_id:
        handler = _officer(session, wanted.handler_id, "handler")
        if handler.unit_id != case.unit_id:
            raise InvalidInput(f"{handler.name} is not of the unit that handles the case.")
    if wanted.reviewer_id:
        _officer(session, wanted.reviewer_id, "reviewer")
    reviewer = wanted.reviewer_id or case.reviewer_id
    if reviewer and reviewer == (wanted.handler_id or case.handler_id):
        raise Conflict("A case is reviewed by somebody who does not handle it.")
