"""Having the log's heads cosigned by its witnesses.

A witness that is down delays its cosignature and nothing else. What it answers is verified before
it is kept. A witness that has seen another history of this log is believed: that is what it is
there for, and it is an event and an alarm until it cosigns again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.append import append
from evidence.custody.correspondence import answered, in_vain, keep, rests, standing, with_lines
from evidence.custody.cosignature import COSIGNATURE, verify_cosignature
from evidence.custody.kinds import Kind
from evidence.custody.models import Correspondence, Cosignature, LogHead
from evidence.custody.note import Verifier
from evidence.custody.sequencer import LOG_ID
from evidence.custody.tiles import TileReader
from evidence.custody.witness import AddCheckpoint
from evidence.errors import CustodyError
from evidence.people.actor import SYSTEM
from evidence.storage.port import TileStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a witness answered: an HTTP status and a text; status 0 where nothing came."""

    status: int
    body: str

    @property
    def size(self) -> int | None:
        """The size that a witness names in a conflict."""
        text = self.body.strip()
        named = self.status == 409 and text.isascii() and text.isdigit() and len(text) < 20
        return int(text) if named else None


class WitnessPort(Protocol):
    """A witness as it can be reached."""

    @property
    def verifier_key(self) -> str: ...

    def add_checkpoint(self, request: AddCheckpoint) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A head to be cosigned, and the size that the witness has of this log, as far as we know."""

    note: str
    size: int
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No cosignature: `fork` where the witness contradicts the log, otherwise it could not."""

    fork: bool
    problem: str
    witness_size: int | None = None


def due(session: Session, origin: str, witness: str, now: dt.datetime) -> Asked | None:
    """The head that this witness has not cosigned yet, unless it is left alone for a while."""
    head = session.get(LogHead, origin)
    stands = session.get(Correspondence, witness)
    if head is None or head.size == 0 or rests(stands, now):
        return None
    known = stands.size if stands else 0
    return None if known == head.size else Asked(note=head.checkpoint, size=head.size, known=known)


def ask(witness: WitnessPort, tiles: TileStore, asked: Asked) -> Cosignature | Refused:
    """Ask for a cosignature; where the witness has another size, once more from there.

    No transaction is open meanwhile. Raises LogForked where our own tiles do not hold.
    """
    answer = _send(witness, tiles, asked, asked.known)
    if answer.size is not None:
        if answer.size > asked.size:
            return Refused(
                fork=True, witness_size=answer.size, problem="The witness has seen a longer log."
            )
        if answer.size == asked.known:
            return Refused(
                fork=True, witness_size=answer.size, problem="The witness has seen another root."
            )
        answer = _send(witness, tiles, asked, answer.size)
    if answer.status == 200:
        return _verified(witness.verifier_key, asked, answer.body)
    said = answer.body.strip()[:200]
    problem = f"{answer.status} {said}" if answer.status else said
    return Refused(fork=answer.status in (409, 422), witness_size=answer.size, problem=problem)


def _send(witness: WitnessPort, tiles: TileStore, asked: Asked, old: int) -> Answer:
    path: Sequence[bytes] = ()
    if 0 < old < asked.size:
        path = TileReader(tiles, asked.size).consistency(old)
    return witness.add_checkpoint(AddCheckpoint(old=old, path=path, note=asked.note))


def _verified(key: str, asked: Asked, body: str) -> Cosignature | Refused:
    """Of the lines that came, the one by this witness, proven over this head."""
    name = f"— {Verifier.parse(key, COSIGNATURE).name} "
    lines = [line for line in body.splitlines() if line.startswith(name)]
    try:
        at = verify_cosignature(with_lines(asked.note, lines), key)
    except CustodyError as error:
        return Refused(fork=False, problem=f"Its cosignature does not verify: {error}")
    return Cosignature(size=asked.size, witness=key, line="\n".join(lines), at=at)


def record(session: Session, witness: str, asked: Asked, found: Cosignature | Refused) -> None:
    """Keep what was found. A witness's refusal of a fork is an event, once."""
    stands = standing(session, witness)
    if isinstance(found, Cosignature):
        keep(session, asked.note, asked.size)
        session.merge(found)
        answered(stands, asked.size)
        return
    # What a witness has refused it for stays, also while it cannot be reached afterwards.
    refused = stands.refused_at is not None and not found.fork
    in_vain(stands, stands.problem if refused else found.problem)
    head = session.scalar(select(func.max(LogHead.size))) or 0
    # Another worker may have had a later head cosigned since this one was taken.
    overtaken = asked.size < (found.witness_size or 0) <= head
    if not found.fork or overtaken or stands.refused_at is not None:
        return
    stands.refused_at = clock.now()
    seen: dict[str, Any] = (
        {} if found.witness_size is None else {"witness_size": found.witness_size}
    )
    append(
        session,
        Kind.LOG_REFUSED,
        LOG_ID,
        SYSTEM,
        witness=Verifier.parse(witness, COSIGNATURE).name,
        size=asked.size,
        problem=found.problem,
        **seen,
    )
