"""The custody log's page: its signed head, its key, and whether it holds."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, redirect, render_template, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from evidence.custody.append import append
from evidence.custody.correspondence import cosigned
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent, LogHead
from evidence.custody.reading import verify_log
from evidence.custody.sequencer import LOG_ID
from evidence.exhibits.timeline import timeline
from evidence.people.access import Act, require
from server.accounts.current import current_actor, require_login
from server.extensions import db, log_origin, signer, store
from server.health import OLDER_DATABASE, older_database
from server.presentation.actors import named
from server.unit_of_work import unit_of_work
from server.vouchers import vouchers

blp = Blueprint("log_page", __name__, url_prefix="/custody-log")
blp.before_request(require_login)

VERIFIED_AT_ONCE = 20_000
_SHOWN = 8


@blp.get("")
def page() -> str:
    require(current_actor(), Act.LOG_VIEW)
    session = db.session()
    head = session.get(LogHead, log_origin())
    own = named(timeline(session, [LOG_ID]))
    waiting = session.scalar(
        select(func.count()).select_from(CustodyEvent).where(CustodyEvent.leaf_index.is_(None))
    )
    verified = [e for e in own if e.event.kind == Kind.LOG_VERIFIED.value]
    return render_template(
        "log.html",
        head=head,
        keys=signer().verifier_keys,
        vouchers=vouchers(),
        checkpoint=cosigned(session, head.checkpoint) if head else "",
        waiting=waiting,
        verified=verified[-1] if verified else None,
        entries=own[-_SHOWN:],
    )


@blp.post("/verify")
def verify() -> Response:
    """Read the newest leaves again against tiles and signed root; what is found is an event."""
    actor = current_actor()
    require(actor, Act.LOG_VIEW)
    found = verify_log(db.session(), store(), signer().verifier_key, VERIFIED_AT_ONCE)
    db.session.rollback()
    if found.intact and older_database():
        found = replace(found, problem=OLDER_DATABASE)
    db.session.rollback()
    with unit_of_work() as session:
        append(
            session,
            Kind.LOG_VERIFIED,
            LOG_ID,
            actor,
            size=found.size,
            first=found.first,
            checked=found.checked,
            intact=found.intact,
            problem=found.problem,
        )
    return redirect(url_for("log_page.page"))
