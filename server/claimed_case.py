"""A case that was named at the source: linked after sealing, if whoever sent it may link."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from evidence.cases import finding, linking
from evidence.errors import AccessDenied, EvidenceError
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit
from evidence.people.actor import Actor, Via
from evidence.uploads.models import Upload
from server.accounts.current import account_actor
from server.accounts.models import Account


def link(session: Session, exhibit: Exhibit, upload: Upload) -> None:
    """Link `exhibit` to the case that its upload names, or flag that this could not be done."""
    try:
        with session.begin_nested():
            actor = _sender(session, upload)
            case = finding.find_by_number(session, upload.case_claim, actor)
            linking.link_exhibits(session, case, [exhibit], actor, note="")
    except EvidenceError:
        exhibit.flags = sorted({*exhibit.flags, Flag.CASE_UNKNOWN.value})


def _sender(session: Session, upload: Upload) -> Actor:
    """Whoever sent the upload, with today's roles. Raises AccessDenied for a station."""
    account = session.scalar(
        select(Account).where(
            Account.active,
            or_(Account.officer_id == upload.actor_id, Account.id == upload.actor_id),
        )
    )
    if account is None:
        raise AccessDenied()
    return account_actor(account, Via(upload.actor_via))
