"""Who was asked to vouch for the log, and how it stands with each."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

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
