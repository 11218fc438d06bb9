"""Lending a recording to the media tools by stretches, where a copy of it would have to be made.

The tools read a recording's ends and a second of it. What an S3 service keeps would have to be
copied whole for that, 64 GB perhaps. So they get an address on this machine's loopback instead,
behind which the store is asked for what they ask for. Only processes of our own account are
answered: any account of the machine may connect.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

from evidence.errors import EvidenceError
from evidence.media.limits import Source

_LOOPBACK = "127.0.0.1"
_CONNECTIONS = Path("/proc/net/tcp")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
# A tool that is ended leaves its connection; one that waits does not wait longer than this.
_SECONDS = 30.0

Stretch = Callable[[int, int], Iterator[bytes]]  # from a byte on, so many


class Loan(Protocol):
    """Where the tools find a lent recording, and whether they were ever given less than they asked
    for: a tool that finds enough to go on with does not always say so.
    """

    source: Source
    broken: bool


@contextmanager
def lent(size: int, read: Stretch) -> Iterator[Loan]:
    """A recording of `size` bytes, of which the tools read what they need."""
    server = _Server(size, read)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="lending")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, size: int, read: Stretch) -> None:
        self.size, self.read, self.broken = size, read, False
        super().__init__((_LOOPBACK, 0), _Handler)
        self.source = Source(f"http://{_LOOPBACK}:{self.server_port}/recording", "http,tcp")

    def verify_request(self, request: object, client_address: object) -> bool:
        return isinstance(client_address, tuple) and self._account(client_address) == os.geteuid()

    def _account(self, client: tuple[str, int]) -> int | None:
        """Whose the other end of a connection is; None where the system does not tell."""
        wanted = [_as_listed(*client), _as_listed(_LOOPBACK, self.server_port)]
        with suppress(OSError):
            for line in _CONNECTIONS.read_text().splitlines()[1:]:
                cells = line.split()
                if cells[1:3] == wanted:
                    return int(cells[7])
        return None

    def handle_error(self, request: object, client_address: object) -> None:
        self.broken = True


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SECONDS

    def do_GET(self) -> None:
        size = self.server.size
        asked = _RANGE.fullmatch(self.headers.get("Range", "bytes=0-"))
        start = int(asked[1]) if asked else size
        end = min(size, int(asked[2]) + 1) if asked and asked[2] else size
        if start >= end:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.end_headers()
            return
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        self._send(start, end - start)

    def _send(self, start: int, left: int) -> None:
        with suppress(EvidenceError):
            for piece in self.server.read(start, left):
                try:
                    self.wfile.write(piece)
                except (ConnectionError, TimeoutError):
                    return  # the tool has read enough, or was ended
                left -= len(piece)
        # Before the connection ends, which is what the tool sees.
        self.server.broken |= left > 0

    def log_message(self, *_: object) -> None:
        """Nothing: whose recording was read stands in the log of jobs."""


def _as_listed(address: str, port: int) -> str:
    """An address as /proc/net/tcp has it: a number in the machine's own order of bytes."""
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:{port:04X}"
