"""The worker's making of dossiers: step by step, each committed, none repeated that is done."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from flask_babel import force_locale
from sqlalchemy.orm import Session

from evidence.custody import stamped
from evidence.custody.correspondence import cosigned
from evidence.custody.models import LogHead
from evidence.dossier import making
from evidence.dossier.certificate import Issuer
from evidence.dossier.describing import Described
from evidence.dossier.making import Vouched
from evidence.dossier.models import Dossier, DossierState
from evidence.dossier.names import safe_name
from evidence.dossier.parts import Part, file_list
from evidence.errors import LogNotReady
from server import vouchers, vouching
from server.extensions import db, log_origin, settings, signer, store
from server.presentation.words import KINDS
from server.unit_of_work import unit_of_work

log = logging.getLogger(__name__)

VERIFIER = Path(__file__).resolve().parent.parent / "scripts" / "verify"
SIGNED_WITHIN = 30.0  # seconds that a checkpoint is waited for
COSIGNED_WITHIN = 15.0  # and, from then on, its cosignatures
_AT_ONCE = 50


def make(dossier_id: UUID) -> None:
    """Bring a dossier from wherever it stands to its end. Raises LogNotReady: try again."""
    session = db.session()
    dossier = session.get(Dossier, dossier_id)
    if dossier is None or dossier.state is not DossierState.PREPARING:
        session.rollback()
        return
    if dossier.payload is None:
        _fix_payload(dossier_id)
    vouched = _vouched(dossier_id)
    session = db.session()
    index = making.add_proofs(session, store(), session.get_one(Dossier, dossier_id), vouched)
    session.rollback()
    with unit_of_work() as session:
        making.finish(session, dossier_id, index)


def give_up(dossier_id: UUID, problem: str) -> None:
    with unit_of_work() as session:
        making.fail(session, dossier_id, problem)


def _fix_payload(dossier_id: UUID) -> None:
    session = db.session()
    ids = making.members(session, session.get_one(Dossier, dossier_id))
    for at in range(0, len(ids), _AT_ONCE):
        with unit_of_work() as session:
            dossier = session.get_one(Dossier, dossier_id)
            for exhibit_id in ids[at : at + _AT_ONCE]:
                making.close_history(session, dossier, exhibit_id)
    session = db.session()
    dossier = session.get_one(Dossier, dossier_id)
    issuer, parts = _issuer(session, dossier), list[Part]()
    described: list[Described] = []
    for exhibit_id in ids:
        described.append(making.describe(session, dossier, exhibit_id))
        parts += making.exhibit_parts(session, store(), described[-1], issuer)
    verifier = VERIFIER.read_bytes()
    parts += making.common_parts(session, store(), dossier, described, verifier)
    payload = file_list(store(), parts)
    with unit_of_work() as session:
        dossier = session.get_one(Dossier, dossier_id)
        making.fix_payload(session, dossier, parts, payload=payload, origin=log_origin())


def _issuer(session: Session, dossier: Dossier) -> Issuer:
    head = session.get(LogHead, log_origin())
    if head is None:
        raise LogNotReady
    with force_locale("zh"):
        words = {kind.value: str(word) for kind, (word, _) in KINDS.items()}
    chosen = settings()
    return making.issuer(
        dossier,
        bureau=chosen.bureau,
        public_url=chosen.public_url,
        note=head.checkpoint,
        signed_at=head.signed_at,
        verifier_key=signer().verifier_key,
        words=words,
    )


def _wait(seconds: float, look: Callable[[], str | None]) -> str | None:
    """What `look` finds, looked for again until the time is over."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        db.session.rollback()
        if found is not None or time.monotonic() > until:
            return found
        time.sleep(0.1)


def _vouched(dossier_id: UUID) -> Vouched:
    """The checkpoint to prove everything under, once those who vouch for it have answered."""
    note = _wait(SIGNED_WITHIN, lambda: _signed(dossier_id))
    if note is None:
        raise LogNotReady
    chosen = settings()
    session = db.session()
    index = making.made_at_leaf(session, session.get_one(Dossier, dossier_id))
    session.rollback()
    note = vouchers.cosigned_over(index, COSIGNED_WITHIN) or note
    for peer in chosen.authorities:
        vouching.stamp(peer, note)
    session = db.session()
    note = cosigned(session, note)
    stamps = [
        (
            safe_name(urlsplit(stamp.authority).netloc, "authority"),
            stamp,
            Path(peer.key).read_bytes(),
        )
        for stamp in stamped.stamps_of(session, note)
        for peer in chosen.authorities
        if peer.url == stamp.authority
    ]
    session.expunge_all()
    session.rollback()
    return Vouched(
        note=note,
        stamps=stamps,
        verifier_keys=signer().verifier_keys,
        witness_keys=[peer.key for peer in chosen.witnesses],
    )


def _signed(dossier_id: UUID) -> str | None:
    """The newest checkpoint, if it reaches the event that commits to the dossier."""
    session = db.session()
    head = session.get(LogHead, log_origin())
    try:
        index = making.made_at_leaf(session, session.get_one(Dossier, dossier_id))
    except LogNotReady:
        return None
    return head.checkpoint if head is not None and head.size > index else None
