"""Who was asked to vouch for the log, how it stands with each, and waiting for their word."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from evidence.custody.correspondence import most_cosigned
from evidence.custody.models import Correspondence
from server.extensions import db, settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """A witness or a time-stamping authority, and how it stands with it."""

    name: str
    witness: bool
    stands: Correspondence | None


def vouchers() -> list[Voucher]:
    """Everybody who was configured to vouch for the log, with what is known of each."""
    session, chosen = db.session(), settings()
    found = [
        Voucher(
            name=peer.key.partition("+")[0],
            witness=True,
            stands=session.get(Correspondence, peer.key),
        )
        for peer in chosen.witnesses
    ]
    return found + [
        Voucher(
            name=urlsplit(peer.url).netloc,
            witness=False,
            stands=session.get(Correspondence, peer.url),
        )
        for peer in chosen.authorities
    ]


def cosigned_over(index: int, seconds: float) -> str | None:
    """A checkpoint over leaf `index` that witnesses have cosigned, waited for at most so long.

    As it was kept, without the cosignatures; None where there is none, and where no witness is
    configured. A witness that is silent is not waited for. No transaction is open meanwhile.
    """
    keys = [peer.key for peer in settings().witnesses]
    until = time.monotonic() + seconds
    while keys:
        note, all_of_them = most_cosigned(db.session(), index, keys)
        db.session.rollback()
        if all_of_them or time.monotonic() > until:
            return note
        time.sleep(0.1)
    return None
