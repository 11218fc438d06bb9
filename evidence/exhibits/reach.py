"""Who reaches an exhibit: its own unit, the units of what it is linked to, a case's reviewer."""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, or_, select, true
from sqlalchemy.orm import aliased

from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.people import access
from evidence.people.access import Act, Reach, Scope
from evidence.people.actor import Actor


def reach_of(exhibit: Exhibit) -> Reach:
    """Open links widen the reach; unlinking takes it back."""
    open_links = [link for link in exhibit.links if link.unlinked_at is None]
    units = {link.unit_id for link in open_links}
    if exhibit.unit_id:
        units.add(exhibit.unit_id)
    sent_to = {link.sent_to_id for link in open_links if link.sent_to_id}
    return Reach(unit_ids=frozenset(units), sent_to_ids=frozenset(sent_to))


def visible_to(
    actor: Actor, act: Act = Act.EXHIBIT_VIEW, *, few: bool = False
) -> ColumnElement[bool]:
    """The same rule as `reach_of` with access.allows, for many exhibits at once.

    Of `few`, PostgreSQL looks up the links one by one: by itself it reads all that the units have.
    """
    if access.scope(actor, act) is Scope.NONE:
        return false()
    units = access.units_in_scope(actor, act)
    if units is None:
        return true()
    link = aliased(ExhibitLink)  # the query around may read links itself
    # By its position, as the indices of what is linked to a unit or sent to somebody have it: no
    # row of a link is read.
    linked = select(1).where(link.exhibit_position == Exhibit.position, link.unlinked_at.is_(None))
    if few:
        # A query with an offset is none that the planner may turn into another.
        linked = linked.offset(0)
    return or_(
        Exhibit.unit_id.in_(units),
        linked.where(link.unit_id.in_(units)).exists(),
        linked.where(link.sent_to_id == actor.id).exists(),
    )
