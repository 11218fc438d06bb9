"""Entering the bureau's units and its officers: an administrator's work, and each time an event.

Nobody is removed: who has left keeps the name under what he did.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.errors import CertificateDays, HandsOver, InvalidInput, NameTaken
from evidence.people.access import Act, require
from evidence.people.actor import Actor
from evidence.people.models import Certificate, Officer, OfficerStatus, Unit, UnitKind
from evidence.turns import take_turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """An enforcement certificate and the days, both included, on which it is valid."""

    number: str
    valid_from: dt.date
    valid_to: dt.date


def register_unit(
    session: Session, name: str, kind: UnitKind, by: Actor, hands_over_to_id: UUID | None = None
) -> Unit:
    """Enter a unit. Raises AccessDenied, InvalidInput, NameTaken where the name is taken."""
    require(by, Act.PEOPLE_MANAGE)
    unit = Unit(id=uuid4(), name=_unit_name(session, name), kind=kind)
    _hand_over(session, unit, hands_over_to_id)
    session.add(unit)
    session.flush()
    append(session, Kind.UNIT_REGISTERED, unit.id, by, **_said_of_unit(unit))
    return unit


def change_unit(session: Session, unit: Unit, by: Actor, said: Mapping[str, Any]) -> Unit:
    """Change `name`, `kind` or `hands_over_to_id`; nothing else. Raises like `register_unit`."""
    require(by, Act.PEOPLE_MANAGE)
    to_id = said.get("hands_over_to_id", unit.hands_over_to_id)
    # Both at once: two units that are given to each other would wait for each other.
    take_turn(session, unit.id, *([to_id] if to_id else []))
    session.refresh(unit)
    before = _said_of_unit(unit)
    if "name" in said and said["name"].strip() != unit.name:
        unit.name = _unit_name(session, said["name"])
    unit.kind = said.get("kind", unit.kind)
    _hand_over(session, unit, said.get("hands_over_to_id", unit.hands_over_to_id))
    given_to = select(Unit.id).where(Unit.hands_over_to_id == unit.id)
    if not unit.kind.handles_cases and session.scalar(given_to) is not None:
        raise HandsOver("Other units hand their cases over to this one: it has to handle cases.")
    session.flush()
    session.refresh(unit)
    if _said_of_unit(unit) != before:
        append(session, Kind.UNIT_CHANGED, unit.id, by, **_said_of_unit(unit))
    return unit


def register_officer(
    session: Session,
    unit: Unit,
    by: Actor,
    *,
    name: str,
    badge: str,
    certificates: Sequence[Certified] = (),
) -> Officer:
    """Enter an officer. Raises AccessDenied, InvalidInput, NameTaken where the badge is taken."""
    require(by, Act.PEOPLE_MANAGE)
    if session.scalar(select(Officer.id).where(Officer.badge == badge.strip())):
        raise NameTaken(f"There is an officer with the badge {badge} already.")
    officer = Officer(
        id=uuid4(),
        name=_some(name),
        badge=_some(badge),
        unit_id=unit.id,
        status=OfficerStatus.ACTIVE,
        certificates=_certificates(certificates),
    )
    session.add(officer)
    session.flush()
    append(session, Kind.OFFICER_REGISTERED, officer.id, by, **_said_of_officer(officer))
    return officer


def change_officer(
    session: Session, officer: Officer, by: Actor, said: Mapping[str, Any]
) -> Officer:
    """Change `name`, `unit_id`, `status` or all `certificates`; nothing else.

    What the officer did until then stays with the unit that it was done for. Raises AccessDenied,
    InvalidInput.
    """
    require(by, Act.PEOPLE_MANAGE)
    take_turn(session, officer.id)
    session.refresh(officer)
    before = _said_of_officer(officer)
    officer.name = _some(said.get("name", officer.name))
    officer.unit_id = said.get("unit_id", officer.unit_id)
    officer.status = said.get("status", officer.status)
    if "certificates" in said:
        held = {certificate.number: certificate for certificate in officer.certificates}
        wanted = _certificates(said["certificates"])
        for certificate in wanted:
            if known := held.pop(certificate.number, None):
                known.valid_from, known.valid_to = certificate.valid_from, certificate.valid_to
            else:
                officer.certificates.append(certificate)
        for gone in held.values():
            session.delete(gone)
    session.flush()
    session.refresh(officer)
    if _said_of_officer(officer) != before:
        append(session, Kind.OFFICER_CHANGED, officer.id, by, **_said_of_officer(officer))
    return officer


def _unit_name(session: Session, name: str) -> str:
    name = _some(name)
    if session.scalar(select(Unit.id).where(Unit.name == name)):
        raise NameTaken(f"There is a unit {name} already.")
    return name


def _hand_over(session: Session, unit: Unit, to_id: UUID | None) -> None:
    if to_id is not None:
        # In turn with whoever changes what that unit does.
        take_turn(session, to_id)
        to = session.get(Unit, to_id, populate_existing=True)
        if to is None or to_id == unit.id or not to.kind.handles_cases:
            raise HandsOver()
    unit.hands_over_to_id = to_id


def _certificates(said: Sequence[Certified]) -> list[Certificate]:
    if len({each.number.strip() for each in said}) != len(said):
        raise InvalidInput("An officer has each certificate once.")
    for each in said:
        if each.valid_to < each.valid_from:
            raise CertificateDays()
    return [
        Certificate(number=_some(c.number), valid_from=c.valid_from, valid_to=c.valid_to)
        for c in said
    ]


def _some(text: str) -> str:
    if not (text := text.strip()):
        raise InvalidInput("A name, a badge or a number has at least one character.")
    return text


def _said_of_unit(unit: Unit) -> dict[str, Any]:
    to = unit.hands_over_to_id
    return {
        "name": unit.name,
        "unit_kind": unit.kind.value,
        "hands_over_to": str(to) if to else None,
    }


def _said_of_officer(officer: Officer) -> dict[str, Any]:
    return {
        "name": officer.name,
        "badge": officer.badge,
        "unit": str(officer.unit_id),
        "status": officer.status.value,
        "certificates": [
            {
                "number": held.number,
                "valid_from": held.valid_from.isoformat(),
                "valid_to": held.valid_to.isoformat(),
            }
            for held in sorted(officer.certificates, key=lambda c: (c.valid_from, c.number))
        ],
    }
