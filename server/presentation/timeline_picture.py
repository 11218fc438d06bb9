"""The custody timeline as a picture: a lane for each exhibit, a mark for each event, in order.

Events are spaced evenly, because acts come in bursts with nights between them; days are marked
above. Few events are drawn further apart, so that the picture fills its place. The table below
says the same in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evidence.clock import SHANGHAI
from evidence.exhibits.timeline import Entry

LEFT, TOP, LANE = 128, 34, 36
STEP, WIDEST_STEP, FILLS = 26, 72, 1090
MOST = 100


@dataclass(frozen=True, slots=True)
class Mark:
    """One event: where, how, and what a pointer resting on it is told."""

    x: int
    y: int
    shape: str
    entry: Entry

    @property
    def verb(self) -> str:
        return self.entry.event.kind.partition(":")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    width: int
    height: int
    lanes: Sequence[tuple[int, str]]  # y and name
    days: Sequence[tuple[int, str]]  # x and date
    marks: Sequence[Mark]
    left_out: int  # the oldest, where there are more than MOST


_SHAPES = {
    "exhibit:acquired": "square",
    "exhibit:attributed": "square",
    "exhibit:sealed": "square",
    "exhibit:quarantined": "cross",
    "exhibit:altered": "cross",
    "exhibit:unreadable": "cross",
    "exhibit:linked": "diamond",
    "exhibit:unlinked": "diamond",
    "exhibit:proved": "triangle",
    "exhibit:downloaded": "triangle",
}


def draw(entries: Sequence[Entry], own_name: str) -> Picture:
    """`own_name` names the lane of events that are about no exhibit."""
    left_out = max(0, len(entries) - MOST)
    shown = entries[left_out:]
    names = list(dict.fromkeys(e.label or own_name for e in shown))
    heights = {name: TOP + LANE * i + LANE // 2 for i, name in enumerate(names)}
    step = min(max(STEP, FILLS // max(len(shown), 1)), WIDEST_STEP)
    marks, days, last_day = [], [], ""
    for index, entry in enumerate(shown):
        x = LEFT + step * index + step // 2
        day = entry.event.at.astimezone(SHANGHAI).strftime("%m-%d")
        if day != last_day:
            days.append((x, day))
            last_day = day
        shape = _SHAPES.get(entry.event.kind, "circle")
        marks.append(Mark(x, heights[entry.label or own_name], shape, entry))
    return Picture(
        width=LEFT + step * max(len(shown), 1) + 16,
        height=TOP + LANE * max(len(names), 1) + 8,
        lanes=[(heights[name], name) for name in names],
        days=_apart(days),
        marks=marks,
        left_out=left_out,
    )


def _apart(days: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Dates that do not overlap."""
    kept: list[tuple[int, str]] = []
    for x, day in days:
        if not kept or x - kept[-1][0] >= 2 * STEP:
            kept.append((x, day))
    return kept
