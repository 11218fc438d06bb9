"""Exhibits of an inspection: the footage of one visit, attached before there is any case."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from evidence.errors import NotFound
from evidence.exhibits import linking
from evidence.exhibits.linking import Target
from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.inspections.models import Inspection
from evidence.inspections.reach import reach_of
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor


def target_of(inspection: Inspection) -> Target:
    return Target(
        kind="inspection",
        id=inspection.id,
        unit_id=inspection.unit_id,
        text=f"{inspection.party} {inspection.place}",
    )


def link_exhibits(
    session: Session,
    inspection: Inspection,
    exhibits: Sequence[Exhibit],
    by: Actor,
    note: str = "",
) -> list[ExhibitLink]:
    """Attach all of `exhibits`, or none; attaching again is the same link.

    Raises AccessDenied, NotFound, ExhibitQuarantined, ExplanationNeeded.
    """
    access.require(by, Act.EXHIBIT_LINK)
    if not access.allows(by, Act.INSPECTION_VIEW, reach_of(inspection)):
        raise NotFound
    return linking.attach(session, target_of(inspection), exhibits, by, note)


def unlink(session: Session, link: ExhibitLink, by: Actor, reason: str) -> ExhibitLink:
    """Take an exhibit off its inspection, which only who sees the inspection may do.

    Raises AccessDenied, InvalidInput.
    """
    inspection = session.get_one(Inspection, link.inspection_id)
    access.require(by, Act.INSPECTION_VIEW, reach_of(inspection))
    return linking.detach(session, link, by, reason)
