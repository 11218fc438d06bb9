"""A long custody in portions: each in the order of the log, the newest shown first.

The newest is always full, and the oldest has what remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import request

from evidence.exhibits.timeline import Entry

SIZE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Portions and the events in them are counted from 1."""

    entries: Sequence[Entry]
    number: int
    last: int
    first: int
    until: int


def portion(entries: Sequence[Entry]) -> Portion:
    """The part of `entries` that the query argument `events` asks for; else the newest."""
    last = max(1, -(-len(entries) // SIZE))
    asked = request.args.get("events", last, type=int)
    number = min(max(1, asked), last)
    until = len(entries) - (last - number) * SIZE
    begin = max(0, until - SIZE)
    return Portion(
        entries=entries[begin:until], number=number, last=last, first=begin + 1, until=until
    )
