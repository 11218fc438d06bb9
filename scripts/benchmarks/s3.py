"""Ingest into SeaweedFS, beside boto3's own upload_file of the same file to the same service.

Each round uploads the file with boto3 as it comes, then sends it to a server of ours that keeps
originals on that service. Two moments are taken: when every byte is acknowledged, which is what
upload_file waits for too, and when the whole was read back from the service, compared and sealed.
Both begin alike (`ingest.level`), and who comes first changes from round to round.
"""

from __future__ import annotations

import http.client
import os
import statistics
import time
from pathlib import Path

from scripts.benchmarks.ingest import GIB, change, deliver, level, original, sealed
from scripts.benchmarks.seaweed import BUCKET, KEY, SECRET, SeaweedServer, s3_client
from scripts.benchmarks.server import Server

ROUNDS = 6


def _send(server: Server, path: Path, sha256: str) -> tuple[float, float]:
    """Seconds from creation until every byte is acknowledged, and until the upload is sealed."""
    connection = http.client.HTTPConnection(server.host, server.port)
    level(path.parent, path.stat().st_size)
    began = time.perf_counter()
    where = deliver(connection, "/api/v1/uploads", server.headers, path, sha256)
    taken = time.perf_counter() - began
    if (state := sealed(connection, where, server.headers)) != "sealed":
        raise RuntimeError(f"the upload ended as {state}")
    return taken, time.perf_counter() - began


def _upload_file(service: SeaweedServer, path: Path) -> float:
    """Seconds of boto3's upload_file."""
    client = s3_client(service.url)
    level(path.parent, path.stat().st_size)
    began = time.perf_counter()
    client.upload_file(str(path), BUCKET, "peer")
    return time.perf_counter() - began


def run(folder: Path, size: int = GIB) -> dict[str, object]:
    """Medians of `ROUNDS` rounds, MB/s (10^6 bytes), and the web processes' peak memory in MB."""
    os.environ.update(AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET)
    source = folder / "recording.bin"
    original(source, size)
    theirs, taken, ours = [], [], []
    with SeaweedServer() as service:
        os.environ["ZHENGLIAN_STORE_URL"] = f"s3://{BUCKET}/bench?endpoint={service.url}"
        with Server(folder / "data") as server:
            for number in range(ROUNDS):
                sha256 = change(source)
                if number % 2 == 0:
                    theirs.append(_upload_file(service, source))
                acknowledged, whole = _send(server, source, sha256)
                taken.append(acknowledged)
                ours.append(whole)
                if number % 2:
                    theirs.append(_upload_file(service, source))
            memory = server.peak_memory()
        del os.environ["ZHENGLIAN_STORE_URL"]

    def beside(seconds: list[float]) -> list[float]:
        return [round(t / s, 2) for t, s in zip(theirs, seconds, strict=True)]

    def rate(seconds: list[float]) -> int:
        return round(size / 1e6 / statistics.median(seconds))

    return {
        "sm3": os.environ.get("ZHENGLIAN_SM3", "on"),
        "bytes": size,
        "rounds": ROUNDS,
        "upload_file_mb_s": rate(theirs),
        "acknowledged_mb_s": rate(taken),
        "sealed_mb_s": rate(ours),
        "ratio_acknowledged": round(statistics.median(beside(taken)), 2),
        "ratio_sealed": round(statistics.median(beside(ours)), 2),
        "ratio_acknowledged_each": beside(taken),
        "ratio_sealed_each": beside(ours),
        "web_peak_mb": round(memory / 1e6),
    }
