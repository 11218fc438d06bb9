"""The published log (c2sp.org/tlog-tiles): for anyone, without a login, and nothing but digests.

Everything here is safe to copy and to keep: whoever keeps one checkpoint can later prove that
the log was rewritten.
"""

from __future__ import annotations

from flask import Blueprint, Response
from sqlalchemy import select

from evidence.custody.correspondence import cosigned
from evidence.custody.models import Cosignature, KeptCheckpoint, LogHead
from evidence.custody.tiles import parse_path, within
from evidence.errors import NotFound
from server.extensions import db, log_origin, signer, store

blp = Blueprint("log", __name__, url_prefix="/log")

_TEXT = "text/plain; charset=utf-8"
_A_MOMENT = "public, max-age=2"
_FOR_EVER = "public, max-age=31536000, immutable"


def _answer(content: str | bytes, content_type: str, caching: str) -> Response:
    response = Response(content, content_type=content_type)
    response.headers["Cache-Control"] = caching
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _head() -> LogHead:
    head = db.session.get(LogHead, log_origin())
    if head is None:
        raise NotFound("The log has no checkpoint yet; it will within seconds of the first start.")
    return head


@blp.get("/checkpoint")
def checkpoint() -> Response:
    """The newest signed checkpoint, with the cosignatures that have come for it."""
    return _answer(cosigned(db.session(), _head().checkpoint), _TEXT, _A_MOMENT)


@blp.get("/checkpoint/cosigned")
def cosigned_checkpoint() -> Response:
    """The newest checkpoint that a witness has cosigned."""
    newest = db.session.scalar(
        select(KeptCheckpoint)
        .where(KeptCheckpoint.size.in_(select(Cosignature.size)))
        .order_by(KeptCheckpoint.size.desc())
        .limit(1)
    )
    if newest is None:
        raise NotFound("No witness has cosigned a checkpoint yet.")
    return _answer(cosigned(db.session(), newest.note), _TEXT, _A_MOMENT)


@blp.get("/key")
def key() -> Response:
    """The verifier keys, the newest first, for scripts/verify --key.

    Better got from a witness than from here. There are two while the key is changed.
    """
    return _answer(
        "".join(f"{key}\n" for key in signer().verifier_keys), _TEXT, "public, max-age=3600"
    )


@blp.get("/tile/<path:path>")
def tile(path: str) -> Response:
    """A tile or a bundle of entries, of the tree that the newest checkpoint signs."""
    level, index, width = parse_path(path)
    # A tile may be durable before its checkpoint is signed; until then it is nobody's business.
    if not within(level, index, width, _head().size):
        raise NotFound()
    content = store().tile(f"tile/{path}")
    if content is None:
        raise NotFound()
    return _answer(content, "application/octet-stream", _FOR_EVER)
