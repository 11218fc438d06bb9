"""tus 1.0.0 over HTTP: a stream in, nothing ever holds a whole body.

No transaction is open while a body is read. An offset is answered only when the storage says
that it is durable. A connection that dies in mid-body keeps what had arrived, unless a checksum
was to vouch for it.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from typing import TypeVar
from uuid import UUID

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from evidence import errors as e
from evidence.exhibits.models import Exhibit
from evidence.people.actor import Actor
from evidence.storage.port import StagingWriter
from evidence.uploads import headers, receiving
from evidence.uploads.headers import Checksum
from evidence.uploads.models import Upload, UploadPart, UploadState
from schemas.uploads import UploadResponse
from server import sealing
from server.accounts.current import current_actor
from server.extensions import db, settings, store
from server.problems import problem
from server.unit_of_work import unit_of_work

blp = Blueprint("uploads", __name__, url_prefix="/api/v1/uploads")

PIECE = 512 * 1024
_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,3})", re.ASCII)
_LONGEST_WAIT = 30
T = TypeVar("T")
_OPEN = (UploadState.RECEIVING, UploadState.SEALING)


@blp.before_request
def _speak_the_same_version() -> Response | None:
    if request.method in ("OPTIONS", "GET"):
        return None
    if request.headers.get("Tus-Resumable") != headers.VERSION:
        return problem(412, "tus_version", f"This server speaks tus {headers.VERSION}.")
    return None


@blp.after_request
def _tus_headers(response: Response) -> Response:
    response.headers["Tus-Resumable"] = headers.VERSION
    response.headers.setdefault("Cache-Control", "no-store")
    if response.status_code == 412:
        response.headers["Tus-Version"] = headers.VERSION
    return response


@blp.route("", methods=["OPTIONS"], provide_automatic_options=False)
@blp.route("/<uuid:upload_id>", methods=["OPTIONS"], provide_automatic_options=False)
def capabilities(upload_id: UUID | None = None) -> Response:
    """What this server offers; no login is needed to ask."""
    return Response(
        status=204,
        headers={
            "Tus-Version": headers.VERSION,
            "Tus-Extension": ",".join(headers.EXTENSIONS),
            "Tus-Max-Size": str(settings().max_upload),
            "Tus-Checksum-Algorithm": ",".join(headers.CHECKSUM_ALGORITHMS),
        },
    )


@blp.post("")
def create() -> Response:
    """Create an upload, with its first bytes where they come along."""
    actor = current_actor()
    asked = _asked(actor)
    upload = receiving.same_or_none(db.session(), asked)
    db.session.rollback()
    if upload is None:
        upload = _make(asked, actor)
    offset = _present_offset(upload)
    if request.mimetype == headers.CONTENT_TYPE and offset == 0 and upload.length != 0:
        offset = _receive(upload, 0, _checksum())
    _end_if_complete(upload, offset)
    response = Response(status=201)
    response.headers["Location"] = f"{blp.url_prefix}/{upload.id}"
    response.headers["Upload-Offset"] = str(offset)
    return _with_expiry(response, upload)


def _asked(actor: Actor) -> Upload:
    """The upload that the headers of a POST describe."""
    concat = request.headers.get("Upload-Concat")
    parts = headers.concatenation(concat) if concat else None
    part = UploadPart.WHOLE
    if concat:
        part = UploadPart.FINAL if parts else UploadPart.PARTIAL
    declared = request.headers.get("Upload-Length")
    defer = request.headers.get("Upload-Defer-Length")
    if part is UploadPart.FINAL:
        if declared or defer:
            raise BadRequest("A final upload's length is that of its parts: send none.")
        found = receiving.parts_of(db.session(), parts or [], actor, store())
        length: int | None = sum(p.length or 0 for p in found)
    elif (declared is None) == (defer is None):
        raise BadRequest("Send either Upload-Length or Upload-Defer-Length: 1.")
    else:
        length = _number("Upload-Length", declared) if declared is not None else None
        if defer is not None:
            _bad_request(lambda: headers.deferred(defer))
    raw = request.headers.get("Upload-Metadata", "")
    return receiving.new(
        actor,
        length=length,
        claims=headers.metadata(raw),
        metadata_raw=raw,
        part=part,
        concat=concat,
        largest=settings().max_upload,
    )


def _make(asked: Upload, actor: Actor) -> Upload:
    """Reserve the room, then keep the row."""
    if asked.part is UploadPart.FINAL:
        store().concatenate(asked.id, headers.concatenation(asked.concat or "") or [])
    else:
        store().create(asked.id, asked.length)
    with unit_of_work() as session:
        # Two creations under one event id may have come at once: the first row stands.
        known = receiving.same_or_none(session, asked)
        if known is None:
            session.add(asked)
        return known or asked


@blp.route("/<uuid:upload_id>", methods=["HEAD"])
def offset(upload_id: UUID) -> Response:
    """Where to go on."""
    upload = receiving.find(db.session(), upload_id, current_actor())
    receiving.require_there(upload)
    response = Response(status=200)
    response.headers["Upload-Offset"] = str(_present_offset(upload))
    if upload.length is None:
        response.headers["Upload-Defer-Length"] = "1"
    else:
        response.headers["Upload-Length"] = str(upload.length)
    if upload.metadata_raw:
        response.headers["Upload-Metadata"] = upload.metadata_raw
    if upload.concat:
        response.headers["Upload-Concat"] = upload.concat
    return _with_expiry(response, upload)


@blp.patch("/<uuid:upload_id>")
def receive(upload_id: UUID) -> Response:
    """Take in bytes at the offset."""
    upload = receiving.find(db.session(), upload_id, current_actor())
    at = _number("Upload-Offset", request.headers.get("Upload-Offset"))
    if request.mimetype != headers.CONTENT_TYPE:
        raise UnsupportedMediaType(f"The Content-Type of a PATCH is {headers.CONTENT_TYPE}.")
    checksum = _checksum()
    try:
        receiving.require_receiving(upload)
    except e.UploadComplete:
        # The last answer was lost on the way: tell it again.
        if at != upload.length or request.content_length:
            raise
        return _taken(upload, at)
    declared = request.headers.get("Upload-Length")
    if declared is not None:
        upload = _declare(upload, _number("Upload-Length", declared))
    db.session.rollback()
    now_at = _receive(upload, at, checksum)
    _end_if_complete(upload, now_at)
    return _taken(upload, now_at)


def _taken(upload: Upload, at: int) -> Response:
    response = Response(status=204)
    response.headers["Upload-Offset"] = str(at)
    return _with_expiry(response, upload)


def _declare(upload: Upload, length: int) -> Upload:
    at = store().offset(upload.id)
    with unit_of_work() as session:
        upload = session.get_one(Upload, upload.id)
        receiving.declare_length(upload, length, at, settings().max_upload)
    store().declare_length(upload.id, length)
    return upload


def _receive(upload: Upload, at: int, checksum: Checksum | None) -> int:
    """Stream the body into the staging area; the new durable offset."""
    limit = upload.length if upload.length is not None else settings().max_upload
    with store().writer(upload.id, hold=checksum is not None) as writer:
        if writer.offset != at:
            raise e.OffsetMismatch(offset=writer.offset)
        if (request.content_length or 0) > limit - at:
            raise e.LengthExceeded(length=limit, offset=at)
        return _stream(writer, limit - at, checksum)


def _stream(writer: StagingWriter, room: int, checksum: Checksum | None) -> int:
    digest = checksum.new() if checksum else None
    arrived = 0
    for piece in _pieces():
        arrived += len(piece)
        if arrived > room:
            writer.discard()
            raise e.LengthExceeded()
        writer.write(piece)
        if digest:
            digest.update(piece)
    if checksum and digest and not hmac.compare_digest(digest.digest(), checksum.value):
        writer.discard()
        raise e.ChecksumMismatch()
    return writer.commit()


def _pieces() -> Iterator[bytes]:
    """The body as it comes; it ends where the connection does."""
    try:
        while piece := request.stream.read(PIECE):
            yield piece
    except OSError as error:
        g.connection_lost = str(error)
    except BadRequest:
        # Werkzeug's word for a client that went away in mid-body.
        g.connection_lost = "disconnected"


def _end_if_complete(upload: Upload, at: int) -> None:
    done = upload.length is not None and at == upload.length
    with unit_of_work() as session:
        upload = session.get_one(Upload, upload.id)
        receiving.prolong(upload)
        sealable = done and receiving.complete(upload)
    if sealable:
        sealing.finish(upload.id)


@blp.delete("/<uuid:upload_id>")
def terminate(upload_id: UUID) -> Response:
    """Give an upload up; a sealed original stays."""
    actor = current_actor()
    at = _present_offset(receiving.find(db.session(), upload_id, actor))
    with unit_of_work() as session:
        upload = receiving.find(session, upload_id, actor)
        receiving.terminate(session, upload, actor, at)
    store().remove(upload_id)
    return Response(status=204)


@blp.post("/<uuid:upload_id>")
def overridden(upload_id: UUID) -> Response:
    """X-HTTP-Method-Override, for networks that let only GET and POST through."""
    verbs = {"PATCH": receive, "DELETE": terminate, "HEAD": offset}
    verb = verbs.get(request.headers.get("X-HTTP-Method-Override", "").upper())
    if verb is None:
        raise BadRequest("POST to an upload needs X-HTTP-Method-Override: PATCH, DELETE or HEAD.")
    return verb(upload_id)


@blp.get("/<uuid:upload_id>")
def state(upload_id: UUID) -> Response:
    """What became of it; with `Prefer: wait=N` (seconds, at most 30) once that is settled."""
    actor = current_actor()
    asked = _WAIT.search(request.headers.get("Prefer", ""))
    until = time.monotonic() + min(int(asked[1]), _LONGEST_WAIT) if asked else 0.0
    upload = receiving.find(db.session(), upload_id, actor)
    while upload.state in _OPEN and time.monotonic() < until:
        db.session.rollback()
        time.sleep(0.05)
        db.session.expire_all()
        upload = receiving.find(db.session(), upload_id, actor)
    return jsonify(_described(upload))


@blp.get("")
def sealed_before() -> Response:
    """Whether this actor itself has brought bytes of this SHA-256 that were sealed."""
    sha256 = request.args.get("sha256", "")
    upload = receiving.finished_with(db.session(), current_actor(), sha256)
    if upload is None:
        return jsonify({"sealed": False})
    return jsonify({"sealed": True, **_described(upload)})


def _described(upload: Upload) -> dict[str, object]:
    exhibit = db.session.get(Exhibit, upload.exhibit_id) if upload.exhibit_id else None
    described: dict[str, object] = UploadResponse().dump(
        {
            "upload": upload,
            "offset": _present_offset(upload),
            "exhibit": f"/api/v1/exhibits/{exhibit.id}" if exhibit else None,
            "label": exhibit.label if exhibit else None,
        }
    )
    return described


def _present_offset(upload: Upload) -> int:
    """From the journal while bytes may come; afterwards every byte has."""
    if upload.state is UploadState.RECEIVING:
        return store().offset(upload.id)
    return upload.length or 0


def _with_expiry(response: Response, upload: Upload) -> Response:
    if upload.state is UploadState.RECEIVING:
        response.headers["Upload-Expires"] = format_datetime(upload.expires_at, usegmt=True)
    return response


def _checksum() -> Checksum | None:
    header = request.headers.get("Upload-Checksum")
    return _bad_request(lambda: headers.checksum(header)) if header else None


def _number(name: str, text: str | None) -> int:
    if text is None:
        raise BadRequest(f"{name} is missing.")
    return _bad_request(lambda: headers.number(name, text))


def _bad_request(parse: Callable[[], T]) -> T:
    """tus wants 400 for a header that cannot be read."""
    try:
        return parse()
    except e.UnsupportedChecksum:
        raise
    except e.InvalidInput as error:
        raise BadRequest(str(error)) from None
