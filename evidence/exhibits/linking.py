"""Attaching exhibits to something, and taking them off again; the row of a link stays for ever.

What they are attached to is a Target: evidence.cases and evidence.inspections make theirs, check
what is theirs to check, and call this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from evidence import clock
from evidence.custody.append import append, append_each
from evidence.custody.kinds import Kind
from evidence.errors import (
    AccessDenied,
    EvidenceError,
    ExhibitQuarantined,
    ExplanationNeeded,
    InvalidInput,
    NotFound,
)
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit, ExhibitLink, ExhibitState
from evidence.exhibits.reach import reach_of
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor
from evidence.turns import take_turn

MAX_AT_ONCE = 200
MAX_NOTE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an exhibit is attached to, as far as an exhibit's link has to know it."""

    kind: Literal["case", "inspection"]
    id: UUID
    unit_id: UUID
    text: str  # what people search for: number and party, party and place
    number: str | None = None
    sent_to_id: UUID | None = None


def attach(
    session: Session, target: Target, exhibits: Sequence[Exhibit], by: Actor, note: str
) -> list[ExhibitLink]:
    """Attach all of `exhibits`, or none; attaching again is the same link and no second event.

    A recording whose device clock is in doubt needs a note that explains it. Raises AccessDenied,
    ExhibitQuarantined, ExplanationNeeded, with `refused` naming every exhibit that stood in the
    way and why; InvalidInput for more than MAX_AT_ONCE.
    """
    if not 1 <= len(exhibits) <= MAX_AT_ONCE:
        raise InvalidInput(f"Attach 1 to {MAX_AT_ONCE} exhibits at once.")
    take_turn(session, *(exhibit.id for exhibit in exhibits))
    refused = [(e, why) for e in exhibits if (why := _refusal(e, by, note))]
    if refused:
        first = refused[0][1]
        raise type(first)(
            str(first),
            refused=[{"exhibit": str(e.id), "label": e.label, "code": w.code} for e, w in refused],
        )
    open_links = _open_links(session, target, exhibits)
    links = {
        exhibit.id: open_links.get(exhibit.id) or _link(target, exhibit, by, note)
        for exhibit in exhibits
    }
    made = [link for exhibit_id, link in links.items() if exhibit_id not in open_links]
    session.add_all(made)
    session.flush()
    said: dict[str, Any] = {"to": target.kind, "id": str(target.id), "note": note}
    if target.number:
        said["number"] = target.number
    details = {link.exhibit_id: {**said, "sha256": link.sha256_at_link} for link in made}
    append_each(session, Kind.EXHIBIT_LINKED, details, by)
    return [links[exhibit.id] for exhibit in exhibits]


def _open_links(
    session: Session, target: Target, exhibits: Sequence[Exhibit]
) -> dict[UUID, ExhibitLink]:
    column = ExhibitLink.case_id if target.kind == "case" else ExhibitLink.inspection_id
    query = select(ExhibitLink).where(
        ExhibitLink.exhibit_id.in_([exhibit.id for exhibit in exhibits]),
        column == target.id,
        ExhibitLink.unlinked_at.is_(None),
    )
    return {link.exhibit_id: link for link in session.scalars(query)}


def _link(target: Target, exhibit: Exhibit, by: Actor, note: str) -> ExhibitLink:
    return ExhibitLink(
        exhibit=exhibit,
        exhibit_position=exhibit.position,
        case_id=target.id if target.kind == "case" else None,
        inspection_id=target.id if target.kind == "inspection" else None,
        unit_id=target.unit_id,
        sent_to_id=target.sent_to_id,
        target_text=target.text,
        note=note,
        sha256_at_link=exhibit.sha256,
        linked_by=by.id,
        linked_by_name=by.name,
        linked_at=clock.now(),
    )


def _refusal(exhibit: Exhibit, by: Actor, note: str) -> EvidenceError | None:
    if not access.allows(by, Act.EXHIBIT_LINK, reach_of(exhibit)):
        return AccessDenied(act=Act.EXHIBIT_LINK.value)
    if exhibit.state is ExhibitState.QUARANTINED:
        return ExhibitQuarantined(label=exhibit.label)
    if Flag.CLOCK_SUSPECT in exhibit.flags and not note.strip():
        return ExplanationNeeded(label=exhibit.label)
    return None


def detach(
    session: Session, link: ExhibitLink, by: Actor, reason: str, *, number: str | None = None
) -> ExhibitLink:
    """Close a link, giving the reason; closing it again changes nothing.

    Raises AccessDenied, and InvalidInput where the reason is empty.
    """
    access.require(by, Act.EXHIBIT_LINK, reach_of(link.exhibit))
    if not reason.strip():
        raise InvalidInput("Say why the exhibit is taken off.")
    take_turn(session, link.exhibit_id)
    session.refresh(link, ["unlinked_at"])
    if link.unlinked_at is not None:
        return link
    link.unlinked_at = clock.now()
    link.unlinked_by = by.id
    link.unlink_reason = reason
    session.flush()
    details: dict[str, Any] = {
        "to": "case" if link.case_id else "inspection",
        "id": str(link.case_id or link.inspection_id),
        "reason": reason,
    }
    if number:
        details["number"] = number
    append(session, Kind.EXHIBIT_UNLINKED, link.exhibit_id, by, **details)
    return link


def find_link(session: Session, link_id: UUID, exhibit: Exhibit) -> ExhibitLink:
    """A link of this exhibit, open or closed. Raises NotFound."""
    link = session.scalar(
        select(ExhibitLink)
        .where(ExhibitLink.id == link_id, ExhibitLink.exhibit_id == exhibit.id)
        .options(selectinload(ExhibitLink.exhibit))
    )
    if link is None:
        raise NotFound
    return link


def keep_current(session: Session, target: Target) -> None:
    """Bring what open links know of `target` up to date: whom it was sent to, its text."""
    column = ExhibitLink.case_id if target.kind == "case" else ExhibitLink.inspection_id
    query = select(ExhibitLink).where(column == target.id, ExhibitLink.unlinked_at.is_(None))
    for link in session.scalars(query):
        link.sent_to_id = target.sent_to_id
        link.target_text = target.text
    session.flush()
