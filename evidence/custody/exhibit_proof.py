"""The proof for one exhibit: its events, each tied to one signed checkpoint, and its segments.

The last event, exhibit:proved, commits to all before it, so that none can be left out. The file
is what scripts/verify reads, with the server gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody import merkle
from evidence.custody.append import append
from evidence.custody.checkpoint import Checkpoint, verify_checkpoint
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent, LogHead
from evidence.custody.proof import LogProof
from evidence.custody.tiles import TileReader
from evidence.digests import Segment
from evidence.errors import LogForked, LogNotReady, ProofBroken
from evidence.people.actor import Actor
from evidence.storage.port import TileStore
from evidence.turns import take_turn

FORMAT = "zhenglian-proof/v1"


def prove(
    session: Session,
    exhibit_id: UUID,
    sha256: str,
    size: int,
    by: Actor,
    *,
    event_id: UUID | None = None,
) -> CustodyEvent:
    """Append exhibit:proved, which commits to every earlier event of the exhibit.

    `entries_sha256` is SHA-256, as hex, over their entries one after another in position order.
    """
    take_turn(session, exhibit_id)
    entries = session.scalars(
        select(CustodyEvent.entry)
        .where(CustodyEvent.subject_id == exhibit_id, CustodyEvent.subject_type == "exhibit")
        .order_by(CustodyEvent.position)
    ).all()
    proved = append(
        session,
        Kind.EXHIBIT_PROVED,
        exhibit_id,
        by,
        event_id=event_id,
        events=len(entries),
        entries_sha256=hashlib.sha256(b"".join(entries)).hexdigest(),
        sha256=sha256,
        size=size,
    )
    return session.scalars(select(CustodyEvent).where(CustodyEvent.id == proved)).one()


def signed_at(session: Session, origin: str, event: CustodyEvent) -> int:
    """The leaf of `event`. Raises LogNotReady until it is under the newest checkpoint."""
    index = session.scalar(
        select(CustodyEvent.leaf_index).where(CustodyEvent.position == event.position)
    )
    size = session.scalar(select(LogHead.size).where(LogHead.origin == origin))
    if index is None or size is None or index >= size:
        raise LogNotReady()
    return index


def make_proof(
    session: Session,
    tiles: TileStore,
    *,
    verifier_key: str,
    exhibit: Mapping[str, Any],
    segments: Sequence[Segment],
    up_to: CustodyEvent,
    note: str | None = None,
) -> dict[str, Any]:
    """The proof file of `exhibit` (id, label, filename, size, sha256) up to exhibit:proved.

    Under the checkpoint `note`, with the cosignatures that it has; the newest where none is given.
    Raises LogNotReady until `up_to` is under it, ProofBroken where an event no longer is what the
    log holds: a proof that would not verify is never handed out.
    """
    origin = verifier_key.partition("+")[0]
    if note is None:
        head = session.get(LogHead, origin, populate_existing=True)
        if head is None:
            raise LogNotReady()
        note = head.checkpoint
    checkpoint = verify_checkpoint(note, verifier_key)
    events = session.scalars(
        select(CustodyEvent)
        .where(
            CustodyEvent.subject_id == up_to.subject_id,
            CustodyEvent.subject_type == up_to.subject_type,
            CustodyEvent.position <= up_to.position,
        )
        .order_by(CustodyEvent.position)
        .execution_options(populate_existing=True)
    ).all()
    if any(e.leaf_index is None or e.leaf_index >= checkpoint.size for e in events):
        raise LogNotReady()
    _require_committed(events)
    reader = TileReader(tiles, checkpoint.size)
    return {
        "format": FORMAT,
        "origin": origin,
        "verifier_key": verifier_key,
        "exhibit": {
            "id": str(exhibit["id"]),
            **{name: exhibit[name] for name in ("label", "filename", "size", "sha256")},
        },
        "segments": [[segment.length, segment.sha256.hex()] for segment in segments],
        "events": [_proven(event, reader, checkpoint, note) for event in events],
        "checkpoint": note,
    }


def _require_committed(events: Sequence[CustodyEvent]) -> None:
    """Raise ProofBroken unless the last event commits to those before it."""
    said = json.loads(events[-1].canonical)["details"] if events else {}
    digest = hashlib.sha256(b"".join(e.entry for e in events[:-1])).hexdigest()
    if (said.get("events"), said.get("entries_sha256")) != (len(events) - 1, digest):
        raise ProofBroken("The exhibit's events are not those that exhibit:proved commits to.")


def _proven(
    event: CustodyEvent, reader: TileReader, checkpoint: Checkpoint, note: str
) -> dict[str, str]:
    index = event.leaf_index or 0
    leaf = merkle.leaf_hash(hashlib.sha256(event.canonical).digest())
    try:
        path = reader.inclusion(index)
    except LogForked as error:
        raise ProofBroken(f"The log's tiles do not prove leaf {index}: {error}") from error
    merkle.verify_inclusion(leaf, index, checkpoint.size, path, checkpoint.root)
    proof = LogProof(index=index, path=path, checkpoint=note)
    return {"event": event.canonical.decode(), "proof": str(proof)}
