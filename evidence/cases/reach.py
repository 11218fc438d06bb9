"""Who reaches a case: its unit, and the reviewer it was sent to."""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, or_, true

from evidence.cases.models import Case
from evidence.people import access
from evidence.people.access import Act, Reach, Scope
from evidence.people.actor import Actor


def reach_of(case: Case) -> Reach:
    sent_to = frozenset({case.reviewer_id}) if case.reviewer_id else frozenset()
    return Reach(unit_ids=frozenset({case.unit_id}), sent_to_ids=sent_to)


def visible_to(actor: Actor, act: Act = Act.CASE_VIEW) -> ColumnElement[bool]:
    """The same rule as `reach_of` with access.allows, for many cases at once."""
    if access.scope(actor, act) is Scope.NONE:
        return false()
    units = access.units_in_scope(actor, act)
    if units is None:
        return true()
    return or_(Case.unit_id.in_(units), Case.reviewer_id == actor.id)
