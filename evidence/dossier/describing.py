"""What a dossier says of one exhibit: its row, and its events as their canonical bytes say them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.kinds import SubjectType
from evidence.custody.models import CustodyEvent
from evidence.custody.reading import event_of
from evidence.dossier.names import safe_name
from evidence.exhibits.models import Exhibit, ExhibitState, Fixity
from evidence.people.actor import SYSTEM
from evidence.people.models import Officer


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: its bytes, what they say, and the name of who acted where the bureau knows it."""

    id: UUID
    canonical: bytes
    leaf_index: int | None
    said: dict[str, Any]
    actor_name: str

    @property
    def kind(self) -> str:
        return str(self.said.get("kind"))

    @property
    def details(self) -> dict[str, Any]:
        found: dict[str, Any] = self.said.get("details") or {}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An exhibit and its history up to the event that commits to it."""

    exhibit: Exhibit
    events: Sequence[Event]

    @property
    def folder(self) -> str:
        return f"data/exhibits/{self.exhibit.label}"

    @property
    def included(self) -> bool:
        """Whether its bytes are handed out: not those of an original that was altered."""
        return self.exhibit.fixity not in (Fixity.ALTERED, Fixity.UNREADABLE)

    @property
    def quarantined(self) -> bool:
        return self.exhibit.state is ExhibitState.QUARANTINED

    @property
    def original(self) -> str:
        """Its path within the exhibit's folder."""
        return f"original/{safe_name(self.exhibit.filename, self.exhibit.label)}"

    def first(self, *kinds: str) -> Event | None:
        return next((event for event in self.events if event.kind in kinds), None)


def events_of(
    session: Session, kind: SubjectType, subject_id: UUID, until: int | None = None
) -> list[Event]:
    """Every event about a subject, in the order of the log; up to the position `until`."""
    query = select(CustodyEvent).where(
        CustodyEvent.subject_id == subject_id, CustodyEvent.subject_type == kind.value
    )
    if until is not None:
        query = query.where(CustodyEvent.position <= until)
    rows = session.scalars(query.order_by(CustodyEvent.position)).all()
    ids = {row.actor_id for row in rows if row.actor_type == "officer"}
    officers = session.execute(select(Officer.id, Officer.name).where(Officer.id.in_(ids)))
    names = {row.id: row.name for row in officers}
    return [
        Event(
            id=row.id,
            canonical=row.canonical,
            leaf_index=row.leaf_index,
            said=event_of(row.canonical) or {},
            actor_name=SYSTEM.name if row.actor_id == SYSTEM.id else names.get(row.actor_id, ""),
        )
        for row in rows
    ]


def exhibit_json(described: Described, segments: Sequence[tuple[int, str]]) -> str:
    """What scripts/verify reads of an exhibit beside its events."""
    exhibit = described.exhibit
    said = {
        "format": "zhenglian-exhibit/v1",
        "id": str(exhibit.id),
        "label": exhibit.label,
        "filename": exhibit.filename,
        "size": exhibit.size,
        "sha256": exhibit.sha256,
        "sm3": exhibit.sm3,
        "file": described.original if described.included else None,
        "segments": [list(segment) for segment in segments],
    }
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"
