"""What anybody may be told of a digest: whether the signed log holds it, and since when.

Names no person, no case, no recorder, and no exhibit: whoever asks has the digest already.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.digests import Digest
from evidence.exhibits.models import Exhibit


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The first sealing of these bytes, as the log has it."""

    leaf_index: int
    sealed_at: dt.datetime
    altered_at: dt.datetime | None  # the bureau's own copy was found to be other bytes


def standing(session: Session, digest: Digest) -> Standing | None:
    """Where the signed log holds these bytes as sealed; None where it does not."""
    sealed = session.execute(
        select(CustodyEvent.leaf_index, CustodyEvent.at, Exhibit.id)
        .join(Exhibit, Exhibit.id == CustodyEvent.subject_id)
        .where(
            Exhibit.sha256 == digest.hex,
            CustodyEvent.kind == Kind.EXHIBIT_SEALED.value,
            CustodyEvent.leaf_index.is_not(None),
        )
        .order_by(CustodyEvent.leaf_index)
        .limit(1)
    ).first()
    if sealed is None or sealed.leaf_index is None:
        return None
    altered = session.scalar(
        select(CustodyEvent.at).where(
            CustodyEvent.subject_id == sealed.id,
            CustodyEvent.kind == Kind.EXHIBIT_ALTERED.value,
        )
    )
    return Standing(leaf_index=sealed.leaf_index, sealed_at=sealed.at, altered_at=altered)
