"""Who acted, by name: an officer, a dock station, an account without an officer, ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select

from evidence.exhibits.timeline import Entry
from server.accounts.models import Account, Station
from server.extensions import db


def named(entries: Sequence[Entry]) -> list[Entry]:
    """The same, with names also where the bureau's officers have none; at worst part of an id."""
    ids = {entry.event.actor_id for entry in entries if not entry.actor_name}
    names = {actor_id: str(actor_id)[:8] for actor_id in ids}
    if ids:
        accounts = select(Account.id, Account.username).where(Account.id.in_(ids))
        stations = select(Station.id, Station.name).where(Station.id.in_(ids))
        names |= {row.id: row.username for row in db.session.execute(accounts)}
        names |= {row.id: row.name for row in db.session.execute(stations)}
    return [
        entry if entry.actor_name else replace(entry, actor_name=names[entry.event.actor_id])
        for entry in entries
    ]
