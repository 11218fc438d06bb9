"""An exhibit's bytes: the original, to play or to take away, its poster, and its proof.

The event is committed before the first byte is served, and the original is opened before the
event: no byte leaves without its event, and no event tells of bytes that were not there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from uuid import UUID

from flask import Response, request
from flask_smorest import Blueprint
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody import exhibit_proof
from evidence.custody.correspondence import cosigned
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.digests import unpack_segments
from evidence.errors import Conflict, ExhibitQuarantined, FixityMismatch, LogNotReady, NotFound
from evidence.exhibits import finding, viewing
from evidence.exhibits.models import Exhibit, ExhibitSegments, ExhibitState, Fixity
from evidence.people.access import Act
from evidence.people.actor import Actor
from server import accel, ranges, vouchers
from server.accounts.current import current_actor, require_login
from server.extensions import db, log_origin, settings, signer, store
from server.unit_of_work import unit_of_work

blp = Blueprint("original", __name__, url_prefix="/api/v1/exhibits")
blp.before_request(require_login)

# What a browser shows by itself without running anything in it.
SHOWN = frozenset(
    {
        *(f"video/{kind}" for kind in ("mp4", "webm", "ogg", "quicktime")),
        *(f"audio/{kind}" for kind in ("mpeg", "mp4", "aac", "ogg", "wav", "x-wav", "webm")),
        *(f"image/{kind}" for kind in ("jpeg", "png", "gif", "webp", "bmp")),
    }
)
_OTHERS = "application/octet-stream"
# How long a signed URL is good for, in seconds: a download has begun by then; a player comes back.
_BEGUN_WITHIN = 60
_PLAYED_FOR = int(viewing.PLAYED_AGAIN_AFTER.total_seconds())
# So much sooner than its event says: that of another request, which was made at once, may cover it.
_SOONER = 2 * int(viewing.AT_ONCE.total_seconds())
_SHORTEST_URL = 60
_SEQUENCED_WITHIN = 5.0  # seconds
_COSIGNED_WITHIN = 5.0  # and, from then on, its cosignatures
_PROVED_AGAIN_AFTER = 60  # seconds


@blp.route("/<uuid:exhibit_id>/original", methods=["GET"])
def original(exhibit_id: UUID) -> Response:
    """The bytes as they were acquired; with ?play=1 for the player, which seeks by Range."""
    actor = current_actor()
    play = request.args.get("play") == "1"
    act = Act.EXHIBIT_PLAY if play else Act.EXHIBIT_DOWNLOAD
    exhibit = finding.allowed(db.session(), exhibit_id, actor, act)
    if play and exhibit.media_type not in SHOWN:
        raise Conflict("A browser cannot play this; download it.", media_type=exhibit.media_type)
    etag = f'"{exhibit.sha256}"'
    if {etag, "*"} & set(_listed(request.headers.get("If-None-Match"))):
        return Response(status=304, headers={"ETag": etag, "Cache-Control": "private, no-store"})
    asked = request.headers.get("Range")
    if request.headers.get("If-Range", etag).strip() != etag:
        asked = None
    try:
        part = ranges.stretch(asked, exhibit.size)
    except ranges.Unsatisfiable:
        return Response(
            status=416, headers={"Content-Range": f"bytes */{exhibit.size}", "ETag": etag}
        )
    first, length = part or (0, exhibit.size)
    covered = _covered(exhibit, actor) if play else 0
    good_for = covered or (_PLAYED_FOR if play else _BEGUN_WITHIN)
    url = _signed_url(exhibit, play, good_for - _SOONER if play else good_for)
    if request.method == "HEAD":
        body: Iterator[bytes] = iter(())  # which makes no event
    else:
        body = _opened(exhibit, first, length)
        if not covered:
            _record(exhibit, actor, play, good_for if url else None)
    if url:
        return Response(status=307, headers={"Location": url, "Cache-Control": "no-store"})
    if way := _left_to_the_proxy(exhibit, asked, part):
        return _describe(Response(headers={accel.HEADER: way}), exhibit, play, etag)
    response = Response(body, status=206 if part else 200, direct_passthrough=True)
    response.headers["Accept-Ranges"] = "bytes"
    response.content_length = length
    if part:
        response.headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{exhibit.size}"
    return _describe(response, exhibit, play, etag)


def _listed(header: str | None) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]


def _signed_url(exhibit: Exhibit, play: bool, good_for: int) -> str | None:
    """Where the storage service hands the bytes out by itself; None where they are ours to send.

    Quarantined bytes never leave this way.
    """
    if not settings().signed_urls or request.method != "GET":
        return None
    if exhibit.state is ExhibitState.QUARANTINED or exhibit.fixity is Fixity.ALTERED:
        return None
    safe = exhibit.media_type if exhibit.media_type in SHOWN else None
    name = ranges.attachment(exhibit.filename or exhibit.label)
    return store().signed_url(exhibit.sha256, good_for, safe or _OTHERS, "inline" if play else name)


def _covered(exhibit: Exhibit, actor: Actor) -> int:
    """For how many seconds an event that is there covers this playing; 0: it needs one."""
    if exhibit.state is ExhibitState.QUARANTINED:
        return 0
    seconds = int(viewing.playing_covered(db.session(), exhibit, actor).total_seconds())
    # A player comes back to its URL for every stretch: one that ends at once is of no use.
    return 0 if settings().signed_urls and seconds < _SHORTEST_URL else seconds


def _opened(exhibit: Exhibit, first: int, length: int) -> Iterator[bytes]:
    if exhibit.fixity is Fixity.ALTERED:
        raise ExhibitQuarantined("The original was found altered.", label=exhibit.label)
    if exhibit.state is ExhibitState.QUARANTINED:
        return store().read_quarantined(exhibit.id, first, length)
    if store().size(exhibit.sha256) != exhibit.size:
        raise FixityMismatch(f"The original of {exhibit.label} has not the length of its record.")
    return store().read(exhibit.sha256, first, length)


def _record(exhibit: Exhibit, actor: Actor, play: bool, url_seconds: int | None) -> None:
    exhibit_id = exhibit.id
    with unit_of_work() as session:
        exhibit = finding.find(session, exhibit_id, actor)
        record = viewing.record_play if play else viewing.record_download
        record(session, exhibit, actor, url_seconds)


def _left_to_the_proxy(
    exhibit: Exhibit, asked: str | None, part: tuple[int, int] | None
) -> str | None:
    """Where it finds them; never the quarantined ones, which are not among the originals."""
    if exhibit.state is ExhibitState.QUARANTINED:
        return None
    return accel.way_to(exhibit.sha256, asked, part)


def _describe(response: Response, exhibit: Exhibit, play: bool, etag: str) -> Response:
    safe = exhibit.media_type in SHOWN
    response.headers["Content-Type"] = (exhibit.media_type if safe else None) or _OTHERS
    response.headers["ETag"] = etag
    # Whoever uses this browser next would be handed the bytes by it, without an event.
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    name = exhibit.filename or exhibit.label
    response.headers["Content-Disposition"] = "inline" if play else ranges.attachment(name)
    return response


@blp.route("/<uuid:exhibit_id>/poster", methods=["GET"])
def poster(exhibit_id: UUID) -> Response:
    """A picture of the recording, for lists: a derivative, not the exhibit."""
    exhibit = finding.find(db.session(), exhibit_id, current_actor())
    if exhibit.poster_sha256 is None:
        raise NotFound("This exhibit has no poster.")
    # A browser may keep it, and asks each time whether whoever uses it now may see it.
    headers = {"ETag": f'"{exhibit.poster_sha256}"', "Cache-Control": "private, no-cache"}
    if headers["ETag"] in _listed(request.headers.get("If-None-Match")):
        return Response(status=304, headers=headers)
    content = store().derivative(exhibit.poster_sha256)
    return Response(content, headers=headers, content_type="image/jpeg")


@blp.route("/<uuid:exhibit_id>/proof", methods=["GET"])
def proof(exhibit_id: UUID) -> Response:
    """The proof that scripts/verify reads. Making it is an event, which it contains."""
    actor = current_actor()
    with unit_of_work() as session:
        exhibit = finding.allowed(session, exhibit_id, actor, Act.EXHIBIT_PROVE)
        up_to = _just_proved(session, exhibit, actor)
        if up_to is None:
            up_to = exhibit_proof.prove(session, exhibit.id, exhibit.sha256, exhibit.size, actor)
            session.flush()
        packed = session.get(ExhibitSegments, exhibit.id)
    content = _once_vouched(exhibit, packed, up_to)
    body = json.dumps(content, ensure_ascii=False, indent=1)
    return Response(
        body,
        content_type="application/json; charset=utf-8",
        headers={"Content-Disposition": ranges.attachment(f"{exhibit.label}.proof.json")},
    )


def _just_proved(session: Session, exhibit: Exhibit, actor: Actor) -> CustodyEvent | None:
    """The event of the attempt before, where nothing happened since: a retry is no new act."""
    last = session.scalar(
        select(CustodyEvent)
        .where(CustodyEvent.subject_id == exhibit.id)
        .order_by(CustodyEvent.position.desc())
        .limit(1)
    )
    if last is None or last.kind != Kind.EXHIBIT_PROVED.value or last.actor_id != actor.id:
        return None
    return last if (clock.now() - last.at).total_seconds() < _PROVED_AGAIN_AFTER else None


def _once_vouched(
    exhibit: Exhibit, packed: ExhibitSegments | None, up_to: CustodyEvent
) -> dict[str, object]:
    """The proof's content, under a checkpoint that the witnesses have cosigned if they answer.

    Waited for outside of any transaction. Raises LogNotReady.
    """
    described = {
        name: getattr(exhibit, name) for name in ("id", "label", "filename", "size", "sha256")
    }
    note = vouchers.cosigned_over(_once_signed(up_to), _COSIGNED_WITHIN)
    session = db.session()
    return exhibit_proof.make_proof(
        session,
        store(),
        verifier_key=signer().verifier_key,
        exhibit=described,
        segments=unpack_segments(packed.packed) if packed else [],
        up_to=up_to,
        note=cosigned(session, note) if note else None,
    )


def _once_signed(event: CustodyEvent) -> int:
    """The event's leaf, once it is under a signed checkpoint. Raises LogNotReady."""
    until = time.monotonic() + _SEQUENCED_WITHIN
    while True:
        try:
            return exhibit_proof.signed_at(db.session(), log_origin(), event)
        except LogNotReady:
            if time.monotonic() > until:
                raise
        finally:
            db.session.rollback()
        time.sleep(0.05)
