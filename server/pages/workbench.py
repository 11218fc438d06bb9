"""The first page: what waits for this person; every number leads to its rows."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, render_template, url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from evidence.cases.models import Case
from evidence.cases.reach import visible_to as visible_cases
from evidence.exhibits import finding
from evidence.exhibits.finding import Filters
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit, ExhibitState, Fixity, MediaState
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor
from evidence.recorders.models import Checkout, Recorder
from server import alarms
from server.accounts.current import current_actor, require_login
from server.extensions import db
from server.vouchers import vouchers

blp = Blueprint("workbench", __name__)
blp.before_request(require_login)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, its name, its icon, where it leads, and whether more than none is a worry."""

    count: str
    name: object
    icon: str
    href: str
    worry: bool = False


@blp.get("/")
def home() -> str:
    actor = current_actor()
    newest: list[Exhibit] = []
    if access.allows(actor, Act.EXHIBIT_VIEW):
        newest = list(finding.search(db.session(), actor, Filters(), limit=6).items)
    standing = alarms.alarms() if access.allows(actor, Act.ALARM_VIEW) else []
    return render_template(
        "workbench.html", alarms=standing, figures=_figures(actor), newest=newest
    )


def _figures(actor: Actor) -> list[Figure]:
    figures = []
    if access.allows(actor, Act.EXHIBIT_VIEW):
        figures += [
            _exhibits(actor, _l("Exhibits"), "movie", {}),
            _exhibits(actor, _l("In quarantine"), "shield-x", {"state": ExhibitState.QUARANTINED}),
            _exhibits(actor, _l("Wearer unknown"), "user", {"flag": Flag.WEARER_UNKNOWN}),
            _exhibits(actor, _l("Docked late"), "clock", {"flag": Flag.LATE_UPLOAD}),
            _exhibits(actor, _l("Unreadable"), "video-off", {"media_state": MediaState.UNREADABLE}),
        ]
        for state, name in (
            (Fixity.ALTERED, _l("Originals altered")),
            (Fixity.UNREADABLE, _l("Originals unreadable")),
        ):
            figure = _exhibits(actor, name, "alert-triangle", {"fixity": state})
            figures += [figure] if figure.worry else []
    if access.allows(actor, Act.LOG_VIEW):
        figures += _refusals()
    if access.allows(actor, Act.CASE_VIEW):
        cases = db.session.scalar(select(func.count(Case.id)).where(visible_cases(actor)))
        figures.append(Figure(str(cases), _l("Cases"), "folders", url_for("cases.listed")))
    if access.allows(actor, Act.RECORDER_VIEW):
        figures.append(_recorders_out(actor))
    return figures


def _refusals() -> list[Figure]:
    """Only where there is one: a witness contradicts the log."""
    refused = sum(bool(v.stands and v.stands.refused_at) for v in vouchers())
    name = _l("Log refused by witnesses")
    href = url_for("log_page.page")
    return [Figure(str(refused), name, "alert-triangle", href, worry=True)] if refused else []


def _exhibits(actor: Actor, name: object, icon: str, narrowed: dict[str, object]) -> Figure:
    counted = finding.facets(db.session(), actor, Filters(**narrowed))  # type: ignore[arg-type]
    arguments = {k: getattr(v, "value", v) for k, v in narrowed.items()}
    return Figure(
        f"{counted.total}+" if counted.more else str(counted.total),
        name,
        icon,
        url_for("exhibits.listed", **arguments),
        worry=bool(narrowed) and counted.total > 0,
    )


def _recorders_out(actor: Actor) -> Figure:
    query = select(func.count(Checkout.id)).where(Checkout.checked_in_at.is_(None))
    units = access.units_in_scope(actor, Act.RECORDER_VIEW)
    if units is not None:
        query = query.join(Recorder).where(Recorder.unit_id.in_(units))
    out = db.session.scalar(query)
    return Figure(str(out), _l("Recorders out"), "camera", url_for("recorders.listed"))
