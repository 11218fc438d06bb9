"""A shift's end: 69 recorders docked at once, three recordings of 64 MiB each, beside one alone.

Every recorder is a connection of its own, which sends its recordings one after another and waits
until each is sealed. All recordings differ in their first bytes only, which the server cannot
know; what follows is sent by the kernel from one file, so that the sender costs little.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from scripts.benchmarks.ingest import create, original, sealed
from scripts.benchmarks.server import Server

RECORDERS = 69
FILES = 3
SIZE = 64 * 1024 * 1024
ALONE = 24
_HEAD = 32
_ATTEMPTS = 20


@dataclass
class Told:
    """What the recorders met."""

    sealed: int = 0
    again: int = 0  # a request that was told to come again, or cut
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Recording:
    """Its first bytes, and the digest of the whole."""

    head: bytes
    sha256: str


@dataclass(frozen=True)
class Footage:
    """Recordings of one length that share all but their first bytes."""

    path: Path
    size: int

    def recordings(self, recorders: int, files: int) -> list[list[Recording]]:
        """So many of each of so many recorders."""
        return [[self.recording() for _ in range(files)] for _ in range(recorders)]

    def recording(self) -> Recording:
        head = secrets.token_bytes(_HEAD)
        digest = hashlib.sha256(head)
        with self.path.open("rb") as file:
            file.seek(_HEAD)
            while piece := file.read(1024 * 1024):
                digest.update(piece)
        return Recording(head, digest.hexdigest())


def _send(
    connection: http.client.HTTPConnection,
    where: str,
    headers: dict[str, str],
    footage: Footage,
    head: bytes,
) -> None:
    """One PATCH of the rest. Raises OSError or HTTPException where it did not go through."""
    offset = int(headers["Upload-Offset"])
    connection.putrequest("PATCH", where)
    for name, value in {
        **headers,
        "Content-Length": str(footage.size - offset),
        "Content-Type": "application/offset+octet-stream",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    if offset < _HEAD:
        connection.sock.sendall(head[offset:])
    with footage.path.open("rb") as file:
        file.seek(max(offset, _HEAD))
        connection.sock.sendfile(file, file.tell())
    answer = connection.getresponse()
    answer.read()
    if answer.status != http.client.NO_CONTENT:
        raise OSError(f"the bytes were not taken: {answer.status}")


def _deliver(server: Server, footage: Footage, recording: Recording, told: Told) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
    where = create(
        connection,
        "/api/v1/uploads",
        server.headers,
        size=footage.size,
        name="a.mp4",
        sha256=recording.sha256,
    )
    for _ in range(_ATTEMPTS):
        try:
            connection.request("HEAD", where, headers=server.headers)
            answer = connection.getresponse()
            answer.read()
            offset = int(answer.headers["Upload-Offset"])
            if offset < footage.size:
                headers = {**server.headers, "Upload-Offset": str(offset)}
                _send(connection, where, headers, footage, recording.head)
            state = sealed(connection, where, server.headers)
        except (OSError, http.client.HTTPException):
            told.again += 1
            connection.close()
            time.sleep(0.2)
        else:
            if state != "sealed":
                told.failed.append(state)
            told.sealed += state == "sealed"
            return
    told.failed.append("never taken")


def dock(server: Server, footage: Footage, recordings: list[list[Recording]], told: Told) -> float:
    """MB/s (10^6 bytes) until all are sealed; every list is one recorder's, in turn."""

    def recorder(own: list[Recording]) -> None:
        for recording in own:
            _deliver(server, footage, recording, told)

    began = time.perf_counter()
    with ThreadPoolExecutor(len(recordings)) as docked:
        list(docked.map(recorder, recordings))
    sent = sum(len(own) for own in recordings) * footage.size
    return sent / 1e6 / (time.perf_counter() - began)


def run(folder: Path, size: int = SIZE, recorders: int = RECORDERS) -> dict[str, object]:
    """MB/s of all at once and of one alone before and after, failures, and the memory in MB."""
    footage = Footage(folder / "recording.bin", size)
    original(footage.path, size)
    told, alone_told = Told(), Told()
    with Server(folder / "data") as server:
        dock(server, footage, footage.recordings(1, 2), Told())
        alone = [dock(server, footage, footage.recordings(1, ALONE // 2), alone_told)]
        together = dock(server, footage, footage.recordings(recorders, FILES), told)
        alone.append(dock(server, footage, footage.recordings(1, ALONE // 2), alone_told))
        memory = server.peak_memory()
    return {
        "sm3": os.environ.get("ZHENGLIAN_SM3", "on"),
        "recorders": recorders,
        "files": recorders * FILES,
        "bytes_each": size,
        "sealed": told.sealed,
        "failed": told.failed + alone_told.failed,
        "sent_again": told.again,
        "together_mb_s": round(together),
        "alone_mb_s": [round(rate) for rate in alone],
        "ratio_to_alone": round(together / (sum(alone) / len(alone)), 2),
        "web_peak_mb": round(memory / 1e6),
    }
