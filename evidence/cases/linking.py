"""Exhibits of a case: attached by its handler, after archiving by an archivist alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from evidence.cases.models import Case, Stage
from evidence.cases.reach import reach_of
from evidence.errors import CaseArchived, CaseNotFound
from evidence.exhibits import linking
from evidence.exhibits.linking import Target
from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor, Role
from evidence.turns import take_turn


def target_of(case: Case) -> Target:
    return Target(
        kind="case",
        id=case.id,
        number=case.number,
        unit_id=case.unit_id,
        sent_to_id=case.reviewer_id,
        text=f"{case.number} {case.party}",
    )


def link_exhibits(
    session: Session, case: Case, exhibits: Sequence[Exhibit], by: Actor, note: str = ""
) -> list[ExhibitLink]:
    """Attach all of `exhibits` to `case`, or none; attaching again is the same link.

    Raises AccessDenied, CaseArchived, ExhibitQuarantined, ExplanationNeeded.
    """
    access.require(by, Act.EXHIBIT_LINK)
    if not access.allows(by, Act.CASE_VIEW, reach_of(case)):
        raise CaseNotFound(number=case.number)
    take_turn(session, case.id)
    session.refresh(case, ["stage"])
    _refuse_archived(case, by)
    return linking.attach(session, target_of(case), exhibits, by, note)


def unlink(session: Session, link: ExhibitLink, by: Actor, reason: str) -> ExhibitLink:
    """Take an exhibit off its case, which only who sees the case may do.

    Raises AccessDenied, CaseArchived, InvalidInput.
    """
    case = session.get_one(Case, link.case_id)
    access.require(by, Act.CASE_VIEW, reach_of(case))
    take_turn(session, case.id)
    session.refresh(case, ["stage"])
    _refuse_archived(case, by)
    return linking.detach(session, link, by, reason, number=case.number)


def _refuse_archived(case: Case, by: Actor) -> None:
    if case.stage is Stage.ARCHIVED and Role.ARCHIVIST not in by.roles:
        raise CaseArchived(number=case.number)
