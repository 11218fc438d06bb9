"""The worker's asking of others to vouch for the log: witnesses, and time-stamping authorities.

Each has a thread of its own, so that one which hangs holds up nobody else. No transaction is open
while one is waited for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import httpx

from evidence import clock
from evidence.custody import stamped, witnessed
from evidence.custody.models import Cosignature
from evidence.custody.note import Note
from evidence.custody.timestamp import read_authority, stamp_request, verify_stamp
from evidence.custody.witness import AddCheckpoint
from evidence.custody.witnessed import Answer
from evidence.errors import TimestampInvalid
from server.config import Peer
from server.extensions import db, log_origin, settings, store
from server.unit_of_work import unit_of_work

log = logging.getLogger(__name__)

_SECONDS = 10
_LARGEST = 256 * 1024  # bytes of an answer


class Unanswered(Exception):
    """No answer came that could be read; the message says why."""


def _post(url: str, body: bytes, content_type: str) -> tuple[int, bytes]:
    """Status and body of the answer, of a bounded length. Raises Unanswered."""
    try:
        with (
            httpx.Client(timeout=_SECONDS) as client,
            client.stream("POST", url, content=body, headers={"Content-Type": content_type}) as got,
        ):
            received = bytearray()
            for piece in got.iter_bytes():
                received += piece
                if len(received) > _LARGEST:
                    raise Unanswered(f"{url} answers without end.")
            return got.status_code, bytes(received)
    except httpx.HTTPError as error:
        raise Unanswered(f"{type(error).__name__}: {error}") from None


class HttpWitness:
    """A witness at its address."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @property
    def verifier_key(self) -> str:
        return self._peer.key

    def add_checkpoint(self, request: AddCheckpoint) -> Answer:
        try:
            status, body = _post(
                f"{self._peer.url}/add-checkpoint",
                str(request).encode(),
                "text/plain; charset=utf-8",
            )
        except Unanswered as error:
            return Answer(status=0, body=str(error))
        return Answer(status=status, body=body.decode("utf-8", "replace"))


def ask_witness(peer: Peer) -> int:
    """Have the newest head cosigned, if it is not. 1 where it was."""
    session = db.session()
    asked = witnessed.due(session, log_origin(), peer.key, clock.now())
    session.rollback()
    if asked is None:
        return 0
    found = witnessed.ask(HttpWitness(peer), store(), asked)
    with unit_of_work() as session:
        witnessed.record(session, peer.key, asked, found)
    if isinstance(found, Cosignature):
        return 1
    level = logging.CRITICAL if found.fork else logging.WARNING
    log.log(level, "the witness %s has not cosigned: %s", peer.url, found.problem)
    return 0


def ask_authority(peer: Peer) -> int:
    """Have the newest head stamped, if that is due. 1 where it was."""
    session = db.session()
    note = stamped.due(session, log_origin(), peer.url, settings().stamp_every, clock.now())
    session.rollback()
    return stamp(peer, note) if note else 0


def stamp(peer: Peer, note: str) -> int:
    """Have this checkpoint stamped now. 1 where it was; what went wrong is kept."""
    text = Note.parse(note).text
    request = stamp_request(text)
    try:
        status, body = _post(peer.url, request.der, "application/timestamp-query")
        if status != 200:
            raise Unanswered(f"{peer.url} answers {status}.")
        at = verify_stamp(body, text, read_authority(Path(peer.key)), request.nonce)
    except (Unanswered, TimestampInvalid) as error:
        with unit_of_work() as session:
            stamped.record_failure(session, peer.url, str(error))
        log.warning("the authority %s has not stamped: %s", peer.url, error)
        return 0
    with unit_of_work() as session:
        stamped.record(session, peer.url, note, body, at)
    return 1


def loops() -> dict[str, Callable[[], int]]:
    """What the worker repeats, by the name of its thread."""
    chosen = settings()
    found: dict[str, Callable[[], int]] = {}
    for peer in chosen.witnesses:
        found[f"witness {peer.url}"] = lambda peer=peer: ask_witness(peer)  # type: ignore[misc]
    for peer in chosen.authorities:
        found[f"authority {peer.url}"] = lambda peer=peer: ask_authority(peer)  # type: ignore[misc]
    return found
