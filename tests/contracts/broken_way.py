"""A way to an HTTP service on which one chosen request goes wrong."""

from __future__ import annotations

import enum
import http.client
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit


class Fault(enum.StrEnum):
    REFUSED = "answers 500 and does nothing"
    LOST = "does it, and the answer is lost"
    DENIED = "does it, and answers 500"
    CUT = "breaks off before anything is done"
    HANGS = "says nothing for a while, then breaks off"


_HANGS_SECONDS = 1.0
_MOODY_SHARE = 1 / 3


class BrokenWay:
    """Passes everything on to `endpoint`, but for what was ordered, and for moods."""

    def __init__(self, endpoint: str) -> None:
        self.target = urlsplit(endpoint).netloc
        self.seen = 0
        self._fault: Fault | None = None
        self._place = 0
        self._mood: random.Random | None = None
        self.moody = 0  # requests that met a fault by its mood
        self.no_room: tuple[int, str] | None = None
        self._guard = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.way = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return self._http.server_port

    def order(self, fault: Fault | None, place: int) -> None:
        """Let the request number `place` from now on, counted from 0, meet `fault`."""
        with self._guard:
            self._fault, self._place = fault, self.seen + place

    @contextmanager
    def misbehaving(self, chance: random.Random) -> Iterator[None]:
        """Inside the block every third request, at random, meets any of the faults."""
        self._mood = chance
        try:
            yield
        finally:
            self._mood = None

    @contextmanager
    def full(self, status: int, code: str) -> Iterator[None]:
        """Inside the block whatever writes is refused so, as by a service that has no room."""
        self.no_room = status, code
        try:
            yield
        finally:
            self.no_room = None

    def met(self) -> Fault | None:
        with self._guard:
            number, self.seen = self.seen, self.seen + 1
            if self._mood is not None and self._mood.random() < _MOODY_SHARE:
                self.moody += 1
                return self._mood.choice(list(Fault))
            return self._fault if number == self._place else None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # headers and content are two writes

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever asked is gone
            super().handle()

    def _pass_on(self) -> None:
        way: BrokenWay = self.server.way  # type: ignore[attr-defined]
        if self.headers.get("Expect"):
            self.send_response_only(100)
            self.end_headers()
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            self._break_off()
            return
        if way.no_room and self.command in ("PUT", "POST"):
            self._refuse(*way.no_room)
            return
        fault = way.met()
        if fault is Fault.REFUSED:
            self._refuse()
            return
        if fault in (Fault.CUT, Fault.HANGS):
            if fault is Fault.HANGS:
                threading.Event().wait(_HANGS_SECONDS)
            self._break_off()
            return
        try:
            answer, content = self._service_says(way.target, body)
        except (OSError, http.client.HTTPException):
            self._break_off()  # as the service itself has
            return
        if fault is Fault.LOST:
            self._break_off()
            return
        if fault is Fault.DENIED:
            self._refuse()
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        told = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(told or 0))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)

    def _service_says(self, target: str, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        # The host as it was signed for.
        passed = {k: v for k, v in self.headers.items() if k.lower() not in ("expect",)}
        with closing(http.client.HTTPConnection(target, timeout=30)) as connection:
            connection.request(self.command, self.path, body, passed)
            answer = connection.getresponse()
            return answer, answer.read()

    def _refuse(self, status: int = 500, code: str = "") -> None:
        self.close_connection = True
        body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _break_off(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on
