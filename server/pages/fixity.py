"""The state of every original in one picture: what was read again, when, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from evidence.exhibits import finding, fixity
from evidence.exhibits.finding import Filters
from evidence.exhibits.models import Exhibit, Fixity
from evidence.people.access import Act, require
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.rereading import settings

blp = Blueprint("fixity", __name__, url_prefix="/fixity")
blp.before_request(require_login)

# The picture reaches back two periods, in so many columns.
COLUMNS, OVERDUE_FROM = 12, 6
_WIDTH, _HEIGHT, _GAP = 1090, 150, 8
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Column:
    """Originals that were last read in one stretch of time; `y` and `height` in pixels."""

    x: int
    y: int
    width: int
    height: int
    count: int
    until_days: int  # ago
    overdue: bool


@blp.get("")
def page() -> str:
    actor = current_actor()
    require(actor, Act.FIXITY_CHECK)
    session, period = db.session(), settings().fixity_period
    step = period / OVERDUE_FROM
    worries: list[Exhibit] = []
    for state in (Fixity.ALTERED, Fixity.UNREADABLE):
        worries += finding.search(session, actor, Filters(fixity=state), limit=_SHOWN).items
    return render_template(
        "fixity.html",
        counts=fixity.counts(session),
        columns=_columns(fixity.ages(session, step, COLUMNS), step.total_seconds() / 86400),
        width=_WIDTH,
        height=_HEIGHT,
        worries=worries,
        period=period.days,
        rate=settings().fixity_rate,
    )


def _columns(ages: Sequence[int], days: float) -> list[Column]:
    wide = (_WIDTH - _GAP * (COLUMNS - 1)) // COLUMNS
    most = max(*ages, 1)
    columns = []
    for n, count in enumerate(ages):
        # Few are still seen beside many.
        height = max(round(count / most * (_HEIGHT - 40)), 3 if count else 0)
        x, y = n * (wide + _GAP), _HEIGHT - 20 - height
        overdue = n >= OVERDUE_FROM
        columns.append(Column(x, y, wide, height, count, round((n + 1) * days), overdue))
    return columns
