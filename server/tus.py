"""tus 1.0.0 on the wire: its headers read from the request and put on the response."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from email.utils import format_datetime
from typing import Any, TypeVar

from flask import Response, request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from evidence import errors as e
from evidence.people.actor import Actor
from evidence.uploads import headers, receiving
from evidence.uploads.headers import Checksum
from evidence.uploads.models import Upload, UploadPart, UploadState
from server.extensions import db, settings, store
from server.problems import problem

T = TypeVar("T")
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PATCH", "POST", "DELETE"})


class MethodOverride:
    """X-HTTP-Method-Override below `prefix`, for networks that let only GET and POST through.

    Applied before anything else looks at the method, so that nothing is checked for one method
    and done by another.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        wanted = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "").upper()
        if wanted in _METHODS and environ.get("PATH_INFO", "").startswith(self._prefix):
            environ["REQUEST_METHOD"] = wanted
        return self._app(environ, start_response)


def other_version() -> Response | None:
    """412 for a request that speaks another version, or does not say which."""
    if request.method in ("OPTIONS", "GET"):
        return None
    if request.headers.get("Tus-Resumable") != headers.VERSION:
        refused = problem(412, "tus_version", f"This server speaks tus {headers.VERSION}.")
        refused.headers["Tus-Version"] = headers.VERSION
        return refused
    return None


def sign(response: Response) -> Response:
    """What every response carries."""
    response.headers["Tus-Resumable"] = headers.VERSION
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def capabilities() -> dict[str, str]:
    return {
        "Tus-Version": headers.VERSION,
        "Tus-Extension": ",".join(headers.EXTENSIONS),
        "Tus-Max-Size": str(settings().max_upload),
        "Tus-Checksum-Algorithm": ",".join(headers.CHECKSUM_ALGORITHMS),
    }


def asked_for(actor: Actor) -> Upload:
    """The upload that the headers of a POST describe, not added yet."""
    concat = request.headers.get("Upload-Concat")
    joined = bad_request(lambda: headers.concatenation(concat)) if concat else None
    part = UploadPart.WHOLE
    if concat:
        part = UploadPart.FINAL if joined else UploadPart.PARTIAL
    raw = request.headers.get("Upload-Metadata", "")
    return receiving.new(
        actor,
        length=_joined_length(actor, joined) if joined else _declared_length(),
        claims=headers.metadata(raw),
        metadata_raw=raw,
        part=part,
        concat=concat,
        largest=settings().max_upload,
    )


def _joined_length(actor: Actor, joined: list[Any]) -> int:
    if "Upload-Length" in request.headers or "Upload-Defer-Length" in request.headers:
        raise BadRequest("A final upload's length is that of its parts: send none.")
    found = receiving.parts_of(db.session(), joined, actor, store())
    return sum(part.length or 0 for part in found)


def _declared_length() -> int | None:
    declared = request.headers.get("Upload-Length")
    defer = request.headers.get("Upload-Defer-Length")
    if (declared is None) == (defer is None):
        raise BadRequest("Send either Upload-Length or Upload-Defer-Length: 1.")
    if defer is not None:
        bad_request(lambda: headers.deferred(defer))
        return None
    return number("Upload-Length")


def brings_bytes() -> bool:
    """Whether a creation comes with its first bytes. Raises UnsupportedMediaType."""
    if request.mimetype == headers.CONTENT_TYPE:
        return True
    if request.content_length:
        require_content_type()
    return False


def require_content_type() -> None:
    if request.mimetype != headers.CONTENT_TYPE:
        raise UnsupportedMediaType(f"Bytes are sent as {headers.CONTENT_TYPE}.")


def checksum() -> Checksum | None:
    header = request.headers.get("Upload-Checksum")
    return bad_request(lambda: headers.checksum(header)) if header else None


def number(name: str) -> int:
    """A header that must be there and be a count of bytes."""
    text = request.headers.get(name)
    if text is None:
        raise BadRequest(f"{name} is missing.")
    return bad_request(lambda: headers.number(name, text))


def bad_request(parse: Callable[[], T]) -> T:
    """tus wants 400 for a header that cannot be read."""
    try:
        return parse()
    except e.UnsupportedChecksum:
        raise
    except e.InvalidInput as error:
        raise BadRequest(str(error)) from None


def stands_at(status: int, upload: Upload, offset: int) -> Response:
    """The answer that tells the offset, and until when the upload waits for more."""
    response = Response(status=status)
    response.headers["Upload-Offset"] = str(offset)
    if upload.state is UploadState.RECEIVING:
        response.headers["Upload-Expires"] = format_datetime(upload.expires_at, usegmt=True)
    return response


def described(response: Response, upload: Upload) -> Response:
    """The same, with everything that a HEAD asks for."""
    if upload.length is None:
        response.headers["Upload-Defer-Length"] = "1"
    else:
        response.headers["Upload-Length"] = str(upload.length)
    if upload.metadata_raw:
        response.headers["Upload-Metadata"] = upload.metadata_raw
    if upload.concat:
        response.headers["Upload-Concat"] = upload.concat
    return response
