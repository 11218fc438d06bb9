"""A TCP proxy that cuts connections: what a bad network does, at the byte that a test names."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Forwards to `port`; `cuts` says of each connection in turn after how many bytes it ends.

    A cut is for a connection that sends so much: shorter ones pass and use none up. With `reset`
    both sides see a reset (RST) instead of an orderly end.
    """

    def __init__(self, port: int, cuts: list[int], *, reset: bool = False) -> None:
        self._target = port
        self._cuts = list(cuts)
        self._reset = reset
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._ending = False
        self.cut = 0  # connections that were

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._threads.append(threading.Thread(target=self._accept))
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending = True
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._ending:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            client,
            socket.create_connection(("127.0.0.1", self._target)) as server,
        ):
            if self._forward(client, server) and self._reset:
                for one in (client, server):
                    linger = struct.pack("ii", 1, 0)
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def _forward(self, client: socket.socket, server: socket.socket) -> bool:
        """Until one side ends, or the cut; whether it was the cut."""
        sent = 0
        while not self._ending:
            ready, _, _ = select.select([client, server], [], [], 0.2)
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return False
                if source is server:
                    client.sendall(data)
                    continue
                if self._cuts and sent + len(data) > self._cuts[0]:
                    server.sendall(data[: self._cuts.pop(0) - sent])
                    self.cut += 1
                    return True
                server.sendall(data)
                sent += len(data)
        return False
