"""Asking for a dossier, taking one away, and signing for it: who, why, and each an event."""

from __future__ import annotations

from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.base import next_number
from evidence.cases import finding as cases
from evidence.cases.models import Case
from evidence.cases.reach import reach_of as reach_of_case
from evidence.clock import SHANGHAI
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.dossier.models import Dossier, DossierReceipt, DossierState
from evidence.errors import (
    AccessDenied,
    DossierNotReady,
    IdentifierReused,
    InvalidInput,
    NotFound,
)
from evidence.exhibits import finding as exhibits
from evidence.exhibits.models import Exhibit, ExhibitState
from evidence.exhibits.reach import reach_of
from evidence.people import access
from evidence.people.access import Act, Scope
from evidence.people.actor import Actor
from evidence.turns import take_turn

MAX_REASON = 500
MAX_NAME = 100
MAX_ORGANISATION = 200


def exported_id(dossier_id: UUID, subject_id: UUID) -> UUID:
    """The id of the event that says that this subject went into this dossier."""
    return uuid5(dossier_id, f"exported {subject_id}")


def request(
    session: Session, of: Exhibit | Case, reason: str, by: Actor, request_id: UUID
) -> Dossier:
    """A dossier to be put together; asking again by the same `request_id` is the same dossier.

    Its own id is derived from that and from who asks: a chosen one could be an exhibit's, and the
    dossier's events would stand in that exhibit's history.

    Raises AccessDenied, InvalidInput without a reason, IdentifierReused.
    """
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON:
        raise InvalidInput(f"Say why it is handed out, in at most {MAX_REASON} characters.")
    reach = reach_of(of) if isinstance(of, Exhibit) else reach_of_case(of)
    access.require(by, Act.DOSSIER_MAKE, reach)
    if isinstance(of, Exhibit):
        _require_may_leave(of, by)
    dossier_id = uuid5(by.id, f"dossier {request_id}")
    take_turn(session, dossier_id)
    known = session.get(Dossier, dossier_id)
    if known is not None:
        if of.id not in (known.exhibit_id, known.case_id):
            raise IdentifierReused
        return known
    now = clock.now()
    year = now.astimezone(SHANGHAI).year
    dossier = Dossier(
        id=dossier_id,
        label=f"D{year}-{next_number(session, f'dossier:{year}'):06d}",
        state=DossierState.PREPARING,
        exhibit_id=of.id if isinstance(of, Exhibit) else None,
        case_id=of.id if isinstance(of, Case) else None,
        reason=reason,
        actor_type=by.type.value,
        actor_id=by.id,
        actor_via=by.via.value,
        actor_name=by.name,
        requested_at=now,
    )
    session.add(dossier)
    note_exported(session, dossier, of, by)
    return dossier


def _require_may_leave(exhibit: Exhibit, by: Actor) -> None:
    everything = access.scope(by, Act.DOSSIER_MAKE) is Scope.ALL
    if exhibit.state is ExhibitState.QUARANTINED and not everything:
        raise AccessDenied("What is in quarantine is handed out by the archivist alone.")


def note_exported(session: Session, dossier: Dossier, of: Exhibit | Case, by: Actor) -> None:
    event_id = exported_id(dossier.id, of.id)
    if isinstance(of, Case):
        append(
            session,
            Kind.CASE_EXPORTED,
            of.id,
            by,
            event_id=event_id,
            number=of.number,
            dossier=dossier.label,
            reason=dossier.reason,
        )
    else:
        append(
            session,
            Kind.EXHIBIT_EXPORTED,
            of.id,
            by,
            event_id=event_id,
            dossier=dossier.label,
            reason=dossier.reason,
            sha256=of.sha256,
        )


def find(session: Session, dossier_id: UUID, by: Actor, act: Act = Act.CUSTODY_VIEW) -> Dossier:
    """The dossier, where `by` may do `act` to what it is of. Raises NotFound, AccessDenied."""
    dossier = session.get(Dossier, dossier_id)
    if dossier is None:
        raise NotFound
    if dossier.exhibit_id is not None:
        exhibit = exhibits.allowed(session, dossier.exhibit_id, by, act)
        if act is Act.DOSSIER_MAKE:
            _require_may_leave(exhibit, by)
    elif dossier.case_id is not None:
        access.require(by, act, reach_of_case(cases.find(session, dossier.case_id, by)))
    return dossier


def of_subject(session: Session, subject_id: UUID) -> list[Dossier]:
    """The dossiers of an exhibit or a case, the newest first."""
    query = select(Dossier).where(
        (Dossier.exhibit_id == subject_id) | (Dossier.case_id == subject_id)
    )
    return list(session.scalars(query.order_by(Dossier.requested_at.desc())))


def _ready(dossier: Dossier) -> str:
    """The digest of its manifest. Raises DossierNotReady."""
    if dossier.state is not DossierState.READY or dossier.manifest_sha256 is None:
        raise DossierNotReady
    return dossier.manifest_sha256


def record_download(session: Session, dossier: Dossier, by: Actor) -> None:
    """It leaves the house, once more. Raises DossierNotReady."""
    append(session, Kind.DOSSIER_DOWNLOADED, dossier.id, by, manifest_sha256=_ready(dossier))


def sign_for(
    session: Session, dossier: Dossier, recipient: str, organisation: str, by: Actor
) -> DossierReceipt:
    """Somebody has received it and says so by name. Raises InvalidInput, DossierNotReady."""
    recipient, organisation = recipient.strip(), organisation.strip()
    if not 0 < len(recipient) <= MAX_NAME or not 0 < len(organisation) <= MAX_ORGANISATION:
        raise InvalidInput("Say who has received it, and for which body.")
    append(
        session,
        Kind.DOSSIER_RECEIVED,
        dossier.id,
        by,
        manifest_sha256=_ready(dossier),
        recipient=recipient,
        organisation=organisation,
    )
    receipt = DossierReceipt(
        dossier=dossier,
        recipient=recipient,
        organisation=organisation,
        received_at=clock.now(),
    )
    session.add(receipt)
    return receipt
