"""A picture of the cost as it grows, from what `scripts/bench listing` has printed.

python -m scripts.benchmarks.plot LINES… > scripts/benchmarks/growth.svg

One panel each for lists, searches and custody views; exhibits on a logarithmic axis, p95 upwards,
the target as a dashed line. The colours follow the reader's light or dark page.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

PANELS = {
    "list": "Lists",
    "search": "Searches",
    "custody": "Custody views",
}
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
WIDTH, HEIGHT = 880, 340
LEFT, TOP, BOTTOM, GAP = 40, 100, 290, 84
PANEL = (WIDTH - LEFT - 52 - (len(PANELS) - 1) * GAP) / len(PANELS)
STEP_MS = 25
_STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; fill: #59636e }
.title { font-size: 16px; font-weight: 600; fill: #1f2328 }
.panel { font-size: 13px; font-weight: 600; fill: #1f2328 }
.value { font-size: 11px; font-weight: 600 }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.axis { stroke: #818b98; stroke-width: 1 }
.target { stroke: #cf222e; stroke-width: 1; stroke-dasharray: 5 4 }
.of-target { fill: #cf222e; font-size: 11px }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
.sqlite { stroke: #0969da } .sqlite-text { fill: #0969da }
.postgresql { stroke: #bc4c00 } .postgresql-text { fill: #bc4c00 }
.dot { fill: #ffffff; stroke-width: 2.5 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title, .panel { fill: #f0f6fc }
.grid { stroke: #2f3742 } .axis { stroke: #656c76 }
.target { stroke: #f85149 } .of-target { fill: #f85149 }
.sqlite { stroke: #4493f8 } .sqlite-text { fill: #4493f8 }
.postgresql { stroke: #db8a3c } .postgresql-text { fill: #db8a3c }
.dot { fill: #0d1117 }
}
"""

Point = tuple[float, float]
# By panel and database: exhibits and milliseconds, in order.
Lines = Mapping[tuple[str, str], Sequence[Point]]


def read(results: Sequence[Mapping[str, Any]]) -> Lines:
    """Of several of one size, the last counts."""
    found: dict[tuple[str, str], dict[float, float]] = {}
    for result in results:
        for panel in PANELS:
            line = found.setdefault((panel, result["database"]), {})
            line[result["exhibits"]] = result[panel]["p95_ms"]
    return {name: sorted(line.items()) for name, line in found.items()}


def _ticks(lines: Lines) -> Sequence[float]:
    return sorted({size for line in lines.values() for size, _ in line})


def _power(size: float) -> str:
    """10,000 as `10⁴`."""
    power = math.log10(size)
    if not power.is_integer():
        return f"{size:,.0f}"
    return "10" + str(int(power)).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def draw(results: Sequence[Mapping[str, Any]]) -> str:
    """The picture, as SVG."""
    lines = read(results)
    sizes = _ticks(lines)
    targets = {panel: results[-1][panel]["target_p95_ms"] for panel in PANELS}
    highest = max(*targets.values(), *(ms for line in lines.values() for _, ms in line))
    top = (int(highest) // STEP_MS + 1) * STEP_MS

    def up(ms: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * ms / top

    def along(place: int, size: float) -> float:
        low, high = math.log10(sizes[0]), math.log10(sizes[-1])
        share = (math.log10(size) - low) / ((high - low) or 1)
        inset = 12
        return LEFT + place * (PANEL + GAP) + inset + share * (PANEL - 2 * inset)

    parts = [*_head(lines)]
    for place, (panel, title) in enumerate(PANELS.items()):
        left = LEFT + place * (PANEL + GAP)
        right = left + PANEL
        parts.append(_text(left, TOP - 16, title, "panel"))
        parts += _grid(left, right, top, up)
        parts += [_text(along(place, s), BOTTOM + 20, _power(s), anchor="middle") for s in sizes]
        parts.append(_line(left, up(targets[panel]), right, "target"))
        wanted = f"wanted: {targets[panel]} ms"
        begins = [line[0][1] for (of, _), line in lines.items() if of == panel]
        above = all(ms < targets[panel] for ms in begins)  # where no line begins
        parts.append(_text(left, up(targets[panel]) + (-6 if above else 13), wanted, "of-target"))
        for database in DATABASES:
            line = lines.get((panel, database), ())
            parts += _curve([(along(place, size), up(ms)) for size, ms in line], database)
        parts += _values(panel, lines, along(place, sizes[-1]), up)
    parts.append(_text(WIDTH / 2, HEIGHT - 10, "exhibits, each with ten events", anchor="middle"))
    return "\n".join([*parts, "</svg>", ""])


def _head(lines: Lines) -> Iterator[str]:
    last = {database: lines[panel, database][-1] for panel, database in lines if panel == "custody"}
    told = "; ".join(f"{DATABASES[name]} {ms:g} ms" for name, (_, ms) in last.items())
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' width="{WIDTH}" height="{HEIGHT}" role="img">'
    )
    yield "<title>What lists, searches and custody views take as a bureau grows</title>"
    yield f"<desc>Milliseconds at p95. Custody views of the largest bureau: {escape(told)}.</desc>"
    yield f"<style>{_STYLE}</style>"
    yield _text(LEFT, 30, "Milliseconds at p95, as a bureau grows", "title")
    x = LEFT
    for database, name in DATABASES.items():
        if any(database in key for key in lines):
            yield _line(x, 50, x + 22, f"line {database}")
            yield f'<circle class="dot {database}" cx="{x + 11}" cy="50" r="3.5"/>'
            yield _text(x + 30, 54, name)
            x += 100


def _grid(left: float, right: float, top: int, up: Callable[[float], float]) -> Iterator[str]:
    for ms in range(0, top + 1, STEP_MS):
        yield _line(left, up(ms), right, "grid" if ms else "axis")
        yield _text(left - 6, up(ms) + 4, str(ms), anchor="end")


def _curve(points: Sequence[Point], database: str) -> Iterator[str]:
    if points:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline class="line {database}" points="{path}"/>'
    for x, y in points:
        yield f'<circle class="dot {database}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'


def _values(panel: str, lines: Lines, x: float, up: Callable[[float], float]) -> Iterator[str]:
    """What the largest takes, beside its point; one above the other where they are close."""
    last = {name: lines[panel, name][-1][1] for name in DATABASES if (panel, name) in lines}
    before = math.inf
    for name in sorted(last, key=lambda name: last[name]):
        y = min(up(last[name]) + 4, before - 14)
        yield _text(x + 10, y, f"{last[name]:.0f} ms", f"value {name}-text")
        before = y


def _line(left: float, y: float, right: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}"/>'


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    named += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}>{escape(words)}</text>'


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    lines = [line for name in sys.argv[1:] for line in Path(name).read_text("utf-8").splitlines()]
    sys.stdout.write(draw([json.loads(line) for line in lines if line.strip()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
