"""A way over TCP that can be cut, silently or abruptly, for both who speak over it.

A silent cut is one for the kernel too: a filter on every socket drops whatever comes, so that
nothing is acknowledged, nothing answered, and a new connection is never made. When it ends, TCP
sends again what was not acknowledged, for those connections that nobody has given up meanwhile.
"""

from __future__ import annotations

import ctypes
import enum
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

# linux/filter.h: one instruction, BPF_RET | BPF_K with 0, keeps nothing of any packet.
_ATTACH, _DETACH = 26, 27
_KEEP_NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
_PROGRAM = struct.pack("HxxxxxxP", 1, ctypes.addressof(_KEEP_NOTHING))
_RESET = struct.pack("ii", 1, 0)
_PIECE = 256 * 1024


class Cut(enum.StrEnum):
    SILENT = "silently"
    ABRUPT = "abruptly"


class Way:
    """From a loopback port of its own, the same for as long as it is there, to `target`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._guard = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._cut: Cut | None = None
        self._passes = threading.Event()
        self._passes.set()
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        self._reset_all()
        self._passes.set()

    @contextmanager
    def cut(self, how: Cut) -> Iterator[None]:
        """Inside the block nothing gets through."""
        with self._guard:
            self._cut = how
            if how is Cut.SILENT:
                self._passes.clear()
                for each in (self._listener, *self._sockets):
                    each.setsockopt(socket.SOL_SOCKET, _ATTACH, _PROGRAM)
        if how is Cut.ABRUPT:
            self._reset_all()
        try:
            yield
        finally:
            with self._guard:
                self._cut = None
                if how is Cut.SILENT:
                    for each in (self._listener, *self._sockets):
                        each.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
            self._passes.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._cut is Cut.ABRUPT:
                _reset(near)
                near.close()
            else:
                threading.Thread(target=self._begin, args=(near,), daemon=True).start()

    def _begin(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self._target), 10)
        except OSError:
            _reset(near)
            near.close()
            return
        far.settimeout(None)
        pair = (near, far)
        with self._guard:
            self._sockets.update(pair)
            if self._cut is Cut.SILENT:
                for each in pair:
                    each.setsockopt(socket.SOL_SOCKET, _ATTACH, _PROGRAM)
        back = threading.Thread(target=self._pass_on, args=(far, near), daemon=True)
        back.start()
        self._pass_on(near, far)
        back.join()
        with self._guard:
            self._sockets.difference_update(pair)
            for each in pair:
                each.close()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Until its end, which is passed on too."""
        try:
            for each in (source, target):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while piece := source.recv(_PIECE):
                self._passes.wait()
                target.sendall(piece)
            self._passes.wait()
            if _is_reset(source):
                raise ConnectionResetError
            target.shutdown(socket.SHUT_WR)
        except OSError:
            # A connection that was reset has no other half.
            for each in (source, target):
                _reset(each)

    def _reset_all(self) -> None:
        with self._guard:
            for each in self._sockets:
                _reset(each)


def _reset(connection: socket.socket) -> None:
    """Nothing comes any more; closed afterwards, it is by a reset."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.shutdown(socket.SHUT_RD)


def _is_reset(connection: socket.socket) -> bool:
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_RESET)) == _RESET
