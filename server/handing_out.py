"""A dossier on its way out: its event first, then its bytes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from uuid import UUID

from flask import Flask, Response, current_app, request
from sqlalchemy import select

from evidence.cases.models import Case
from evidence.dossier import requesting, streaming
from evidence.dossier.models import Dossier
from evidence.dossier.names import safe_name
from evidence.dossier.parts import Part, read_list
from evidence.errors import DossierNotReady, FixityMismatch, StorageError
from evidence.exhibits.models import Exhibit
from evidence.people.access import Act
from evidence.storage.port import Store
from server import jobs, ranges
from server.accounts.current import current_actor
from server.extensions import db, store
from server.unit_of_work import after_commit, unit_of_work

log = logging.getLogger(__name__)


def folder_name(dossier: Dossier) -> str:
    """The label, and the case's number or the exhibit's label, for every system to hold."""
    subject = ""
    if dossier.case_id is not None:
        subject = db.session.get_one(Case, dossier.case_id).number
    elif dossier.exhibit_id is not None:
        subject = db.session.get_one(Exhibit, dossier.exhibit_id).label
    return safe_name(f"{dossier.label}_{subject}", dossier.label)


def bag(dossier_id: UUID) -> Response:
    """The whole dossier as one ZIP. A HEAD carries no bytes and makes no event."""
    actor = current_actor()
    with unit_of_work() as session:
        dossier = requesting.find(session, dossier_id, actor, Act.DOSSIER_MAKE)
        if dossier.index is None:
            raise DossierNotReady
        if request.method != "HEAD":
            requesting.record_download(session, dossier, actor)
    folder, parts = folder_name(dossier), read_list(store(), dossier.index)
    db.session.rollback()
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    body = iter(()) if request.method == "HEAD" else _told(app, store(), folder, parts)
    response = Response(body, content_type="application/zip", direct_passthrough=True)
    response.content_length = streaming.length(folder, parts)
    response.headers["Content-Disposition"] = ranges.attachment(f"{folder}.zip")
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _told(app: Flask, held: Store, folder: str, parts: list[Part]) -> Iterator[bytes]:
    """The stream; where an original breaks it off, that original is read again at once."""
    try:
        yield from streaming.stream(held, folder, parts)
    except FixityMismatch as error:
        log.critical("a dossier was broken off: %s", error)
        with app.app_context():
            query = select(Exhibit.id).where(Exhibit.sha256 == str(error.facts.get("key")))
            for exhibit_id in db.session.scalars(query).all():
                jobs.read_again(exhibit_id)
        raise
    except StorageError:
        log.exception("a dossier was broken off")
        raise


def ask_for(of: Exhibit | Case, reason: str, request_id: UUID) -> Dossier:
    """Request it within the present unit of work, and have it made afterwards."""
    dossier = requesting.request(db.session(), of, reason, current_actor(), request_id)
    after_commit(db.session(), lambda: jobs.make_dossier(dossier.id))
    return dossier
