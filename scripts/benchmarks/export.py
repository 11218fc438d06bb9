"""A dossier with one recording of 2 GiB taken out over loopback, beside `cat` with fsync.

Before each, the system is made to forget the recording, so that both read it from the disk.
"""

from __future__ import annotations

import http.client
import os
import re
import statistics
import time
from pathlib import Path
from uuid import uuid4

import httpx

from scripts.benchmarks.ingest import GIB, PIECE, change, copy, original, send
from scripts.benchmarks.server import Server

SIZE = 2 * GIB
ROUNDS = 3


def log_in(server: Server, who: str) -> httpx.Client:
    """Logged in as that person of the demonstration."""
    client = httpx.Client(base_url=f"http://{server.host}:{server.port}", timeout=120)
    password = (server.data / "demo-password").read_text("utf-8").strip()
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/login").text)
    said = {"username": who, "password": password, "csrf_token": found[1] if found else ""}
    client.post("/login", data=said)
    return client


def _dossier(client: httpx.Client, exhibit: str) -> str:
    """Ask for one and wait until it is ready; the way to it."""
    identifier = str(uuid4())
    page = client.get("/dossiers/ask", params={"exhibit": exhibit}).text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    said = {"csrf_token": found[1] if found else "", "id": identifier, "exhibit": exhibit}
    client.post("/dossiers", data={**said, "reason": "measurement"})
    while client.get(f"/api/v1/dossiers/{identifier}").json()["state"] == "preparing":
        time.sleep(0.1)
    return f"/api/v1/dossiers/{identifier}/bag"


def _take(server: Server, cookie: str, path: str, target: Path) -> float:
    """Seconds until the whole archive is on the disk."""
    connection = http.client.HTTPConnection(server.host, server.port)
    piece = memoryview(bytearray(PIECE))
    began = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise RuntimeError(f"the dossier was not handed out: {answer.status}")
    with target.open("wb", buffering=0) as file:
        while count := answer.readinto(piece):
            file.write(piece[:count])
        os.fsync(file.fileno())
    connection.close()
    seconds = time.perf_counter() - began
    target.unlink()
    return seconds


def _bytes(path: Path) -> int:
    return path.stat().st_size


def forget(path: Path) -> None:
    """Have the system drop what it holds of a file: it is the disk that is read, not memory."""
    with path.open("rb") as file:
        os.fdatasync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run(folder: Path) -> dict[str, object]:
    """Medians, MB/s (10^6 bytes); the ratios are of each round."""
    source = folder / "recording.bin"
    original(source, SIZE)
    with Server(folder / "data") as server:
        send(server, source, change(source))
        client = log_in(server, "archivist")
        listed = client.get("/api/v1/exhibits", params={"limit": 1}).json()["items"]
        began = time.perf_counter()
        path = _dossier(client, listed[0]["id"])
        made = time.perf_counter() - began
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        before = server.peak_memory()
        copies, takes = [], []
        stored = max((server.data / "store").rglob("*"), key=_bytes)
        for _ in range(ROUNDS):
            forget(source)
            copies.append(copy(source, folder / "copy.bin"))
            forget(stored)
            takes.append(_take(server, cookie, path, folder / "dossier.zip"))
        grown = server.peak_memory() - before
        client.close()
    ratios = [one / other for one, other in zip(copies, takes, strict=True)]
    return {
        "bytes": SIZE,
        "made_s": round(made, 1),
        "export_mb_s": round(SIZE / 1e6 / statistics.median(takes)),
        "cat_fsync_mb_s": round(SIZE / 1e6 / statistics.median(copies)),
        "ratio_to_cat": round(statistics.median(ratios), 2),
        "ratio_each": [round(r, 2) for r in ratios],
        "target_ratio": 0.6,
        "web_peak_grew_mb": round(grown / 1e6),
    }
