"""The product behind one web server and another, in the same rounds over the same data folder.

One runs at a time, with the product's worker beside it; who begins changes from round to round.
With `peer`, other servers than gunicorn are measured too.
"""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from scripts.benchmarks.candidates import OURS, peers, worker
from scripts.benchmarks.cuts import Silence, behaviour
from scripts.benchmarks.docking import Footage, Told, dock
from scripts.benchmarks.export import log_in
from scripts.benchmarks.ingest import change, original, send
from scripts.benchmarks.server import Server
from scripts.benchmarks.serving import recording, seek, take

SIZE = 512 * 1024**2
DOCKED = 64 * 1024**2
ROUNDS = 5
CONNECTIONS = 8
LISTS = 40  # of each connection
LISTED = 50
_SMALL = 64 * 1024
_BETWEEN = 0.02  # seconds from an answer to the console's next request
_WHOLE = {"ingest_mb_s", "listing_a_second", "served_mb_s", "docking_mb_s"}

Figures = dict[str, float]


def _p95(milliseconds: Sequence[float]) -> float:
    return statistics.quantiles(milliseconds, n=20)[-1]


class Console:
    """Somebody logged in, on a connection of their own."""

    def __init__(self, server: Server, cookie: str) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        self._headers = {"Cookie": cookie}

    def get(self, path: str) -> dict[str, Any]:
        """The answer's JSON. Raises RuntimeError where it is another than 200."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path} was answered {answer.status}")
        found: dict[str, Any] = json.loads(body)
        return found

    def timed(self, path: str) -> float:
        """Milliseconds until the whole answer is here."""
        began = time.perf_counter()
        self.get(path)
        return (time.perf_counter() - began) * 1000


def _listing(server: Server, cookie: str, lists: int) -> Figures:
    """CONNECTIONS at once list LISTED exhibits, `lists` times each."""

    def lister(console: Console) -> list[float]:
        return [console.timed(f"/api/v1/exhibits?limit={LISTED}") for _ in range(lists)]

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        each = pool.map(lister, [Console(server, cookie) for _ in range(CONNECTIONS)])
        took = [milliseconds for own in each for milliseconds in own]
    seconds = time.perf_counter() - began
    return {"listing_a_second": len(took) / seconds, "listing_p95_ms": _p95(took)}


def _ingest(server: Server, cookie: str, source: Path) -> tuple[float, str]:
    """MB/s until sealed; where the original is served, once the worker has looked at it."""
    rate = source.stat().st_size / 1e6 / send(server, source, change(source, at=-32))
    console = Console(server, cookie)
    newest = console.get("/api/v1/exhibits?limit=1")["items"]
    path = f"/api/v1/exhibits/{newest[0]['id']}"
    while console.get(path)["media"]["state"] == "pending":
        time.sleep(0.2)
    return rate, f"{path}/original"


def _docking(server: Server, cookie: str, footage: Footage, told: Told) -> Figures:
    """CONNECTIONS uploads at once, and what somebody at the console meets meanwhile."""
    recordings = footage.recordings(CONNECTIONS, 1)
    over = threading.Event()

    def console() -> list[float]:
        somebody, took = Console(server, cookie), []
        while not over.wait(_BETWEEN):
            took.append(somebody.timed("/api/v1/exhibits?limit=1"))
        return took

    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(console)
        try:
            rate = dock(server, footage, recordings, told)
        finally:
            over.set()
    return {"docking_mb_s": rate, "console_p95_ms": _p95(waited.result())}


def _measure(
    server: Server, cookie: str, source: Path, footage: Footage, told: Told
) -> tuple[Figures, dict[str, bool]]:
    """One round of one candidate, after what it does only once was done."""
    _listing(server, cookie, 2)
    silence = Silence(server)
    rate, path = _ingest(server, cookie, source)
    seeks = seek(server.port, f"{path}?play=1", cookie, source.stat().st_size)
    figures = {
        "ingest_mb_s": rate,
        **_listing(server, cookie, LISTS),
        "served_mb_s": take(server.port, path, cookie),
        "first_byte_p95_ms": _p95(seeks),
        **_docking(server, cookie, footage, told),
    }
    figures["web_peak_mb"] = server.peak_memory() / 1e6
    return figures, {**behaviour(server), **silence.behaviour()}


def _found(data: Path, footage: Footage) -> str:
    """A demonstration with exhibits to list is made; the cookie of its supervisor."""
    with Server(data) as server, closing(log_in(server, "supervisor")) as client:
        dock(server, footage, footage.recordings(1, LISTED), Told())
        return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def _told(rounds: list[Figures], ours: list[Figures]) -> dict[str, object]:
    """Medians, and those of each round's ratio to ours; of memory, the most."""
    figures: dict[str, object] = {
        name: round(statistics.median(each[name] for each in rounds), None if name in _WHOLE else 1)
        for name in rounds[0]
    }
    figures["web_peak_mb"] = round(max(each["web_peak_mb"] for each in rounds))
    ratios = {
        name: round(
            statistics.median(t[name] / o[name] for t, o in zip(rounds, ours, strict=True)), 2
        )
        for name in rounds[0]
    }
    return {**figures, "ratio_to_ours": ratios}


def run(
    folder: Path,
    size: int = SIZE,
    docked: int = DOCKED,
    rounds: int = ROUNDS,
    *,
    peer: bool = False,
) -> dict[str, object]:
    """Of every candidate MB/s (10^6 bytes), requests a second, milliseconds, MB; what it keeps."""
    source, data = folder / "recording.mp4", folder / "data"
    recording(source, size)
    footage, small = Footage(folder / "docked.bin", docked), Footage(folder / "small.bin", _SMALL)
    original(footage.path, docked)
    small.path.write_bytes(footage.path.read_bytes()[:_SMALL])
    candidates = OURS + (peers(folder / "peers") if peer else ())
    cookie = _found(data, small)
    figures: dict[str, list[Figures]] = {candidate.name: [] for candidate in candidates}
    kept: dict[str, list[dict[str, bool]]] = {candidate.name: [] for candidate in candidates}
    told = {candidate.name: Told() for candidate in candidates}
    with worker(data):
        for index in range(rounds):
            first = index % len(candidates)
            for one in candidates[first:] + candidates[:first]:
                with Server(data, one.web, one.environ) as server:
                    measured, does = _measure(server, cookie, source, footage, told[one.name])
                figures[one.name].append(measured)
                kept[one.name].append({**does, "ends_when_told": server.ended})
    ours = figures[candidates[0].name]
    return {
        "bytes": size,
        "bytes_docked": CONNECTIONS * docked,
        "rounds": rounds,
        "candidates": {
            name: {
                **_told(each, ours),
                "not_sealed": len(told[name].failed),
                "sent_again": told[name].again,
                **{does: all(round_[does] for round_ in kept[name]) for does in kept[name][0]},
            }
            for name, each in figures.items()
        },
    }
