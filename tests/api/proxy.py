"""A TCP proxy that cuts connections: what a bad network does, at the byte that a test names."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Forwards to `port`; of each connection to come, `cuts` says how many bytes go up.

    With `reset` the server sees a reset (RST) instead of an orderly end. When the cuts are used
    up, connections are left alone.
    """

    def __init__(self, port: int, cuts: list[int], *, reset: bool = False) -> None:
        self._target = port
        self._cuts = cuts
        self._reset = reset
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self.cut = 0  # connections that were

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            self._end(one)
        for thread in self._threads:
            thread.join(10)

    def _spawn(self, act: object, *args: object) -> None:
        thread = threading.Thread(target=act, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            self._end(client)
            return
        self._open |= {client, server}
        self._spawn(self._down, server, client)
        self._up(client, server)

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        """Bodies are counted, so that a cut hits one: what is short goes through."""
        sent = 0
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                limit = self._cuts[0] if self._cuts else None
                if limit is not None and sent + len(data) > limit:
                    self._cuts.pop(0)
                    self.cut += 1
                    server.sendall(data[: limit - sent])
                    if self._reset:
                        linger = struct.pack("ii", 1, 0)
                        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    break
                server.sendall(data)
                sent += len(data)
        self._end(server)
        self._end(client)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        self._end(client)

    def _end(self, one: socket.socket) -> None:
        self._open.discard(one)
        if not self._reset:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        one.close()
