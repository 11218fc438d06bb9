"""What the product needs of a web server besides speed, found by doing it: cuts and refusals.

A connection that ends in mid-body must cost no byte that had come, whether it was closed, reset,
or fell silent; a recorder that has lost its power must not keep a thread either. A refusal must
be delivered before the body that it refuses, and must outlive it.
"""

from __future__ import annotations

import fcntl
import http.client
import secrets
import select
import socket
import struct
import termios
import time

from scripts.benchmarks.ingest import create
from scripts.benchmarks.server import Server
from server.body import SILENT_SECONDS

LENGTH = 8 * 1024**2
# No multiple of anything that a server could gather in.
_SENT = 3 * 1024**2 + 12_345
_PATIENCE = 5.0  # seconds
_REFUSALS = 5


def behaviour(server: Server) -> dict[str, bool]:
    """Each by its name, true where the server does what the product needs."""
    return {
        "closed_keeps_bytes": _keeps(server, reset=False),
        "reset_keeps_bytes": _keeps(server, reset=True),
        "refuses_before_body": _refused(server, 64 * 1024),
        "refusal_outlives_body": all(_refused(server, LENGTH) for _ in range(_REFUSALS)),
    }


class Silence:
    """A recorder that sent a part and says no more, on a connection that stays open."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection, self._where = _begun(server, 0)
        self._connection.sock.sendall(secrets.token_bytes(_SENT))
        self._until = time.monotonic() + SILENT_SECONDS + _PATIENCE

    def behaviour(self) -> dict[str, bool]:
        """Whether the server gave it up when it should, and kept its bytes; waits until then."""
        left = max(0.0, self._until - time.monotonic())
        ended = bool(select.select([self._connection.sock], [], [], left)[0])
        kept = _offset(self._server, self._where) == _SENT
        self._connection.close()
        return {"silence_ends": ended, "silence_keeps_bytes": kept}


def _begun(server: Server, offset: int) -> tuple[http.client.HTTPConnection, str]:
    """A connection that has said a PATCH's headers, at `offset` of a new upload; where that is."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=_PATIENCE)
    where = create(
        connection,
        "/api/v1/uploads",
        server.headers,
        size=LENGTH,
        name="cut.mp4",
        sha256=secrets.token_hex(32),
    )
    connection.putrequest("PATCH", where)
    for name, value in {
        **server.headers,
        "Upload-Offset": str(offset),
        "Content-Length": str(LENGTH - offset),
        "Content-Type": "application/offset+octet-stream",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    return connection, where


def _keeps(server: Server, *, reset: bool) -> bool:
    """Whether the offset becomes all that came before the connection was closed, or reset."""
    connection, where = _begun(server, 0)
    connection.sock.sendall(secrets.token_bytes(_SENT))
    _until_it_came(connection.sock)
    if reset:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    until = time.monotonic() + _PATIENCE
    while (kept := _offset(server, where)) != _SENT and time.monotonic() < until:
        time.sleep(0.1)
    return kept == _SENT


def _until_it_came(sender: socket.socket) -> None:
    """The other side's system has every byte, and its reader had a moment for them."""
    while struct.unpack("i", fcntl.ioctl(sender, termios.TIOCOUTQ, bytes(4)))[0]:
        time.sleep(0.01)
    time.sleep(0.5)


def _offset(server: Server, where: str) -> int:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=_PATIENCE)
    connection.request("HEAD", where, headers=server.headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return int(answer.headers["Upload-Offset"])


def _refused(server: Server, sent: int) -> bool:
    """Whether 409 is read after `sent` bytes of a body at a wrong offset, and no more."""
    connection, _ = _begun(server, 1)
    try:
        connection.sock.sendall(bytes(min(sent, LENGTH - 1)))
        return connection.getresponse().status == http.client.CONFLICT
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
