"""The body of a request as it comes: in pieces, never whole, and to the last byte that arrived.

gunicorn's own reader copies every byte several times, waits for ever, and loses what it had
gathered when a connection is reset. Where it offers the socket, a body of known length is read
from there, with its reader's count kept right, so that the connection can be used again.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream

PIECE = 256 * 1024
# A connection on which nothing comes for so long has ended.
SILENT_SECONDS = 30.0
# What still comes of a body that was answered before its end is read for so long.
LINGER_SECONDS = 2.0


class Body:
    """Pieces of at most PIECE bytes, each valid until the next is asked for.

    `cut` tells afterwards that it ended before its end, or brought nothing for `silent` seconds.
    """

    def __init__(self, environ: dict[str, Any], silent: float = SILENT_SECONDS) -> None:
        self._environ = environ
        self._silent = silent
        self.cut = False

    def __iter__(self) -> Iterator[bytes | memoryview]:
        connection = self._environ.get("gunicorn.socket")
        reader = getattr(self._environ["wsgi.input"], "reader", None)
        if isinstance(connection, socket.socket):
            connection.settimeout(self._silent)
        try:
            if isinstance(connection, socket.socket) and isinstance(reader, LengthReader):
                yield from self._from_socket(connection, reader)
            else:
                yield from self._from_stream(reader)
        except (OSError, ParseException, ClientDisconnected):
            self.cut = True

    def _from_socket(
        self, connection: socket.socket, reader: LengthReader
    ) -> Iterator[bytes | memoryview]:
        held = reader.unreader.take_buffered()
        first = held[: reader.length]
        reader.unreader.unread(held[reader.length :])
        reader.length -= len(first)
        if first:
            yield first
        # One buffer for all: fresh memory for every piece would cost as much as its bytes.
        buffer = memoryview(bytearray(min(PIECE, reader.length)))
        while reader.length:
            got = connection.recv_into(buffer, min(len(buffer), reader.length))
            if not got:
                self.cut = True
                return
            reader.length -= got
            yield buffer[:got]

    def _from_stream(self, reader: object) -> Iterator[bytes]:
        stream = get_input_stream(self._environ)
        try:
            while piece := stream.read(PIECE):
                yield piece
        except (OSError, ParseException):
            # Whole chunks that had come before the connection went.
            if isinstance(reader, ChunkedReader) and (rest := reader.buf.getvalue()):
                yield rest
            raise


def let_go(environ: dict[str, Any]) -> None:
    """Read and forget the rest of a body, once its answer is sent.

    A connection that is closed with bytes unread is reset, and the answer may go with them: a
    proxy that is still sending would make 502 of our refusal.
    """
    until = time.monotonic() + LINGER_SECONDS
    for _ in Body(environ, LINGER_SECONDS):
        if time.monotonic() > until:
            return
