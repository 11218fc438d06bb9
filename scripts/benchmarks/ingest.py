"""Ingest over loopback on the default set-up, until sealed and read back, beside `cat` with fsync.

Each round copies the same file with `cat` and fsync, then sends it as one upload to a server
that scripts/run would start, and waits until the upload's state is sealed. Digesting at the
source is the dock's work and is timed apart.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import secrets
import statistics
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from scripts.benchmarks.server import Server

GIB = 1024**3
PIECE = 1024 * 1024
ROUNDS = 5


def original(path: Path, size: int) -> None:
    """A file that no file system can compress or share."""
    block = bytearray(os.urandom(PIECE))
    with path.open("wb") as file:
        for index in range(size // PIECE):
            block[:8] = index.to_bytes(8, "big")
            file.write(block)


def copy(source: Path, target: Path) -> float:
    """Seconds of `cat source > target` with fsync."""
    began = time.perf_counter()
    with target.open("wb") as file:
        subprocess.run(["cat", str(source)], stdout=file, check=True)
        os.fsync(file.fileno())
    seconds = time.perf_counter() - began
    target.unlink()
    return seconds


def change(path: Path) -> str:
    """Make `path` a new original, and take its digest: what a dock does before it sends."""
    with path.open("r+b") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def send(server: Server, path: Path, sha256: str) -> float:
    """Seconds from creation until the upload is sealed."""
    metadata = ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}"
        for key, value in {"filename": path.name, "sha256": sha256}.items()
    )
    headers = {"Authorization": f"Bearer {server.token}", "Tus-Resumable": "1.0.0"}
    connection = http.client.HTTPConnection(server.host, server.port)
    began = time.perf_counter()
    size = path.stat().st_size
    connection.request(
        "POST",
        "/api/v1/uploads",
        headers={**headers, "Upload-Length": str(size), "Upload-Metadata": metadata},
    )
    created = connection.getresponse()
    created.read()
    if created.status != http.client.CREATED:
        raise RuntimeError(f"the upload was not created: {created.status}")
    where = urlsplit(created.headers["Location"]).path
    with path.open("rb") as file:
        connection.request(
            "PATCH",
            where,
            body=iter(lambda: file.read(PIECE), b""),
            headers={
                **headers,
                "Upload-Offset": "0",
                "Content-Length": str(size),
                "Content-Type": "application/offset+octet-stream",
            },
        )
        taken = connection.getresponse()
        taken.read()
    if taken.status != http.client.NO_CONTENT:
        raise RuntimeError(f"the bytes were not taken: {taken.status}")
    state = "sealing"
    while state in ("receiving", "sealing"):
        connection.request("GET", where, headers={**headers, "Prefer": "wait=20"})
        state = json.loads(connection.getresponse().read())["state"]
    if state != "sealed":
        raise RuntimeError(f"the upload ended as {state}")
    return time.perf_counter() - began


def run(folder: Path, size: int = GIB) -> dict[str, object]:
    """Medians of `ROUNDS` rounds, MB/s (10^6 bytes), and the web processes' peak memory in MB."""
    source = folder / "recording.bin"
    original(source, size)
    copies, sends, digests = [], [], []
    with Server(folder / "data") as server:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            sha256 = change(source)
            digests.append(time.perf_counter() - began)
            copies.append(copy(source, folder / "copy.bin"))
            sends.append(send(server, source, sha256))
        memory = server.peak_memory()
    ratios = [copy / send for copy, send in zip(copies, sends, strict=True)]
    return {
        "bytes": size,
        "rounds": ROUNDS,
        "ingest_mb_s": round(size / 1e6 / statistics.median(sends)),
        "ingest_mb_s_each": [round(size / 1e6 / s) for s in sends],
        "cat_fsync_mb_s": round(size / 1e6 / statistics.median(copies)),
        "ratio_to_cat": round(statistics.median(ratios), 2),
        "ratio_each": [round(r, 2) for r in ratios],
        "source_digest_s": round(statistics.median(digests), 2),
        "web_peak_mb": round(memory / 1e6),
    }
