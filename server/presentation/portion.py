"""A long custody in portions: each in the order of the log, the newest shown first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import request

from evidence.exhibits.timeline import Entry

SIZE = 200


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
    begin = (number - 1) * SIZE
    shown = entries[begin : begin + SIZE]
    return Portion(
        entries=shown, number=number, last=last, first=begin + 1, until=begin + len(shown)
    )
