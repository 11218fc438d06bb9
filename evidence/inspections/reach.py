"""Who reaches an inspection: its unit, and the unit that its unit hands over to."""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, true

from evidence.inspections.models import Inspection
from evidence.people import access
from evidence.people.access import Act, Reach, Scope
from evidence.people.actor import Actor


def reach_of(inspection: Inspection) -> Reach:
    return Reach(unit_ids=frozenset({inspection.unit_id}))


def visible_to(actor: Actor, act: Act = Act.INSPECTION_VIEW) -> ColumnElement[bool]:
    """The same rule as `reach_of` with access.allows, for many inspections at once."""
    if access.scope(actor, act) is Scope.NONE:
        return false()
    units = access.units_in_scope(actor, act)
    return true() if units is None else Inspection.unit_id.in_(units)
