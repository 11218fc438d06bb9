"""Ingest over loopback on the default set-up, until sealed and read back, beside `cat` with fsync.

Each round copies the same file with `cat` and fsync, then sends it as one upload to a server
that scripts/run would start, and waits until the upload's state is sealed. Digesting at the
source is the dock's work and is timed apart. With `peer`, @tus/server and its file store get
the same file by the same client in the same rounds; it digests nothing. All begin alike (`level`).
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from scripts.benchmarks.server import Server, free_port

GIB = 1024**3
PIECE = 1024 * 1024
ROUNDS = 5
_PEERS = Path(__file__).resolve().parent / "peers"


def original(path: Path, size: int) -> None:
    """A file that no file system can compress or share."""
    block = bytearray(os.urandom(PIECE))
    with path.open("wb") as file:
        for index in range(size // PIECE):
            block[:8] = index.to_bytes(8, "big")
            file.write(block)


def level(folder: Path, size: int) -> None:
    """What each measurement begins with, whoever was measured before.

    The disk has nothing left to write, and as much memory as the file takes is at hand: the host of
    a virtual machine takes back what was not used for a while, and who gets it again waits.
    """
    os.sync()
    scratch = folder / "scratch.bin"
    original(scratch, size)
    scratch.unlink()


def copy(source: Path, target: Path) -> float:
    """Seconds of `cat source > target` with fsync."""
    level(target.parent, source.stat().st_size)
    began = time.perf_counter()
    with target.open("wb") as file:
        subprocess.run(["cat", str(source)], stdout=file, check=True)
        os.fsync(file.fileno())
    seconds = time.perf_counter() - began
    target.unlink()
    return seconds


def change(path: Path, at: int = 0) -> str:
    """Make `path` a new original by 32 bytes, and digest it: what a dock does before it sends.

    They stand at `at`, from the end where it is negative.
    """
    with path.open("r+b") as file:
        file.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def send(server: Server, path: Path, sha256: str) -> float:
    """Seconds from creation until the upload is sealed."""
    headers = server.headers
    connection = http.client.HTTPConnection(server.host, server.port)
    level(path.parent, path.stat().st_size)
    began = time.perf_counter()
    where = deliver(connection, "/api/v1/uploads", headers, path, sha256)
    state = sealed(connection, where, headers)
    if state != "sealed":
        raise RuntimeError(f"the upload ended as {state}")
    return time.perf_counter() - began


def sealed(connection: http.client.HTTPConnection, where: str, headers: dict[str, str]) -> str:
    """The state in which an upload ends, once it has."""
    state = "sealing"
    while state in ("receiving", "sealing"):
        connection.request("GET", where, headers={**headers, "Prefer": "wait=20"})
        state = json.loads(connection.getresponse().read())["state"]
    return state


def create(
    connection: http.client.HTTPConnection,
    collection: str,
    headers: dict[str, str],
    *,
    size: int,
    name: str,
    sha256: str,
) -> str:
    """Where the upload is that was created for so many bytes."""
    metadata = ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}"
        for key, value in {"filename": name, "sha256": sha256}.items()
    )
    connection.request(
        "POST",
        collection,
        headers={**headers, "Upload-Length": str(size), "Upload-Metadata": metadata},
    )
    created = connection.getresponse()
    created.read()
    if created.status != http.client.CREATED:
        raise RuntimeError(f"the upload was not created: {created.status}")
    return urlsplit(created.headers["Location"]).path


def deliver(
    connection: http.client.HTTPConnection,
    collection: str,
    headers: dict[str, str],
    path: Path,
    sha256: str,
) -> str:
    """Create an upload and send it in one PATCH, until it is acknowledged; where it is."""
    size = path.stat().st_size
    where = create(connection, collection, headers, size=size, name=path.name, sha256=sha256)
    connection.putrequest("PATCH", where)
    for name, value in {
        **headers,
        "Upload-Offset": "0",
        "Content-Length": str(size),
        "Content-Type": "application/offset+octet-stream",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    with path.open("rb") as file:
        # By the kernel: a sender is another machine, and costs the server nothing.
        connection.sock.sendfile(file)
    taken = connection.getresponse()
    taken.read()
    if taken.status != http.client.NO_CONTENT:
        raise RuntimeError(f"the bytes were not taken: {taken.status}")
    return where


class TusServer:
    """@tus/server with @tus/file-store, as package-lock.json pins them, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        folder.mkdir()

    def __enter__(self) -> Self:
        quiet = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(quiet, cwd=_PEERS, check=True)
        self._process = subprocess.Popen(
            ["node", str(_PEERS / "tus-server.mjs"), str(self._port), str(self._folder)]
        )
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise RuntimeError("@tus/server does not answer") from None
                time.sleep(0.1)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def take(self, path: Path, sha256: str) -> float:
        """Seconds from creation until it has acknowledged every byte; it syncs nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        level(path.parent, path.stat().st_size)
        began = time.perf_counter()
        where = deliver(connection, "/files", {"Tus-Resumable": "1.0.0"}, path, sha256)
        seconds = time.perf_counter() - began
        connection.request("DELETE", where, headers={"Tus-Resumable": "1.0.0"})
        connection.getresponse().read()
        return seconds


def run(folder: Path, size: int = GIB, *, peer: bool = False) -> dict[str, object]:
    """Medians of `ROUNDS` rounds, MB/s (10^6 bytes), and the web processes' peak memory in MB."""
    source = folder / "recording.bin"
    original(source, size)
    copies, sends, digests, theirs = [], [], [], []
    with ExitStack() as stack:
        server = stack.enter_context(Server(folder / "data"))
        tus = stack.enter_context(TusServer(folder / "tus")) if peer else None
        for _ in range(ROUNDS):
            began = time.perf_counter()
            sha256 = change(source)
            digests.append(time.perf_counter() - began)
            copies.append(copy(source, folder / "copy.bin"))
            sends.append(send(server, source, sha256))
            if tus:
                theirs.append(tus.take(source, sha256))
        memory = server.peak_memory()
    ratios = [copy / send for copy, send in zip(copies, sends, strict=True)]
    beside = {}
    if peer:
        beside = {
            "tus_server_mb_s": round(size / 1e6 / statistics.median(theirs)),
            "ratio_to_tus_server": round(
                statistics.median(t / s for t, s in zip(theirs, sends, strict=True)), 2
            ),
            "ratio_to_tus_server_each": [
                round(t / s, 2) for t, s in zip(theirs, sends, strict=True)
            ],
        }
    return {
        **beside,
        "sm3": os.environ.get("ZHENGLIAN_SM3", "on"),
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
