"""tus 1.0.0 over HTTP: a stream in, nothing ever holds a whole body.

No transaction is open while a body is read. An offset is answered only when the storage says
that it is durable. A connection that dies in mid-body keeps what had arrived, unless a checksum
was to vouch for it.
"""

from __future__ import annotations

import re
import time
from functools import partial
from uuid import UUID

from flask import Blueprint, Response, jsonify, request
from flask.blueprints import BlueprintSetupState

from evidence.errors import NotFound, UploadComplete
from evidence.exhibits.models import Exhibit
from evidence.uploads import receiving
from evidence.uploads.headers import Checksum
from evidence.uploads.models import Upload, UploadState
from schemas.uploads import UploadResponse
from server import intake, tus
from server.accounts.current import current_actor
from server.body import Body, let_go
from server.extensions import db

blp = Blueprint("uploads", __name__, url_prefix="/api/v1/uploads")

_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,3})", re.ASCII)
_LONGEST_WAIT = 30
_LOOK_EVERY = 0.05
_OPEN = (UploadState.RECEIVING, UploadState.SEALING)

blp.before_request(tus.other_version)
blp.after_request(tus.sign)


@blp.after_request
def _let_the_rest_go(response: Response) -> Response:
    response.call_on_close(partial(let_go, request.environ))
    return response


@blp.record_once
def _override_methods(state: BlueprintSetupState) -> None:
    app = state.app
    app.wsgi_app = tus.MethodOverride(app.wsgi_app, str(blp.url_prefix))


@blp.route("", methods=["OPTIONS"], provide_automatic_options=False)
@blp.route("/<path:anything>", methods=["OPTIONS"], provide_automatic_options=False)
def capabilities(anything: str = "") -> Response:
    """What this server offers; no login is needed to ask."""
    return Response(status=204, headers=tus.capabilities())


@blp.post("")
def create() -> Response:
    """Create an upload, with its first bytes where they come along."""
    asked = tus.asked_for(current_actor())
    brings_bytes, checksum = tus.brings_bytes(), tus.checksum()
    upload = intake.open_upload(asked)
    offset = intake.present_offset(upload)
    if brings_bytes and offset == 0 and upload.state is UploadState.RECEIVING:
        offset = _take_in(upload, 0, checksum)
    if upload.state is UploadState.RECEIVING:
        upload = intake.settle(upload, offset)
    response = tus.stands_at(201, upload, offset)
    response.headers["Location"] = f"{request.script_root}{blp.url_prefix}/{upload.id}"
    return response


def _take_in(upload: Upload, at: int, checksum: Checksum | None) -> int:
    return intake.receive(upload, at, Body(request.environ), request.content_length or 0, checksum)


@blp.route("/<uuid:upload_id>", methods=["HEAD"])
def offset(upload_id: UUID) -> Response:
    """Where to go on."""
    upload = receiving.find(db.session(), upload_id, current_actor())
    receiving.require_there(upload)
    upload, at = intake.standing(upload)
    return tus.described(tus.stands_at(200, upload, at), upload)


@blp.patch("/<uuid:upload_id>")
def receive(upload_id: UUID) -> Response:
    """Take in bytes at the offset."""
    upload = receiving.find(db.session(), upload_id, current_actor())
    at = tus.number("Upload-Offset")
    tus.require_content_type()
    checksum = tus.checksum()
    try:
        receiving.require_receiving(upload)
    except UploadComplete:
        # The last answer was lost on the way: tell it again.
        if at != upload.length or request.content_length:
            raise
        return tus.stands_at(204, upload, at)
    if "Upload-Length" in request.headers:
        upload = intake.declare_length(upload, tus.number("Upload-Length"))
    now_at = _take_in(upload, at, checksum)
    return tus.stands_at(204, intake.settle(upload, now_at), now_at)


@blp.delete("/<uuid:upload_id>")
def terminate(upload_id: UUID) -> Response:
    """Give an upload up; a sealed original stays."""
    actor = current_actor()
    upload = receiving.find(db.session(), upload_id, actor)
    intake.terminate(upload, actor)
    return Response(status=204)


@blp.get("/<uuid:upload_id>")
def state(upload_id: UUID) -> Response:
    """What became of it; with `Prefer: wait=N` (seconds, at most 30) once that is settled."""
    actor = current_actor()
    asked = _WAIT.search(request.headers.get("Prefer", ""))
    until = time.monotonic() + (min(int(asked[1]), _LONGEST_WAIT) if asked else 0)
    upload, _ = intake.standing(receiving.find(db.session(), upload_id, actor))
    while upload.state in _OPEN and time.monotonic() < until:
        db.session.rollback()
        time.sleep(_LOOK_EVERY)
        db.session.expire_all()
        upload = receiving.find(db.session(), upload_id, actor)
    return jsonify(_told(upload))


@blp.get("")
def sealed_before() -> Response:
    """Whether this actor itself has brought bytes of this SHA-256 that were sealed."""
    sha256 = request.args.get("sha256", "")
    upload = receiving.finished_with(db.session(), current_actor(), sha256)
    if upload is None:
        return jsonify({"sealed": False})
    return jsonify({"sealed": True, **_told(upload)})


@blp.route("/<path:anything>", methods=["GET", "HEAD", "PATCH", "DELETE", "POST", "PUT"])
def nothing(anything: str) -> Response:
    """Whatever is no upload's address is not there; tus's own headers say so too."""
    raise NotFound()


def _told(upload: Upload) -> dict[str, object]:
    upload, at = intake.standing(upload)
    exhibit = db.session.get(Exhibit, upload.exhibit_id) if upload.exhibit_id else None
    told: dict[str, object] = UploadResponse().dump(
        {
            "upload": upload,
            "offset": at,
            "exhibit": f"/api/v1/exhibits/{exhibit.id}" if exhibit else None,
            "label": exhibit.label if exhibit else None,
            "flags": exhibit.flags if exhibit else [],
        }
    )
    return told
