"""A plain tus client for the tests: it says exactly what it is told, and hides nothing."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.live import LiveServer

UPLOADS = "/api/v1/uploads"
OCTETS = "application/offset+octet-stream"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def offset(self) -> int:
        return int(self.headers["Upload-Offset"])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        assert self.headers["Content-Type"] == "application/problem+json"
        return str(self.json["code"])


def metadata(**values: str | bytes) -> str:
    """An Upload-Metadata header."""
    return ",".join(f"{key} {encoded(value)}" for key, value in values.items())


def encoded(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def checksum(algorithm: str, content: bytes) -> str:
    return f"{algorithm} {encoded(hashlib.new(algorithm, content).digest())}"


class Tus:
    """Speaks to one server as one actor; each request on a connection of its own.

    `url` is where it is reached, if not at its own address.
    """

    def __init__(self, server: LiveServer, token: str | None = "", url: str = "") -> None:
        self.address = urlsplit(url or server.url)
        self.token = server.tokens["station"] if token == "" else token
        self.tls = server.tls

    def connect(self, port: int | None = None) -> http.client.HTTPConnection:
        if self.tls is not None:
            return http.client.HTTPSConnection(
                str(self.address.hostname),
                port or self.address.port,
                timeout=30,
                context=self.tls,
            )
        return http.client.HTTPConnection(
            str(self.address.hostname), port or self.address.port, timeout=30
        )

    def headers(self, given: dict[str, str | None]) -> dict[str, str]:
        """Those that every request carries, then the given; None leaves one out."""
        ours: dict[str, str | None] = {"Tus-Resumable": "1.0.0"}
        if self.token:
            ours["Authorization"] = f"Bearer {self.token}"
        return {name: value for name, value in {**ours, **given}.items() if value is not None}

    def ask(
        self,
        method: str,
        where: str = UPLOADS,
        headers: dict[str, str | None] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        connection = self.connect()
        try:
            # A refusal may come before the body is sent.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, where, body=body, headers=self.headers(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def create(self, length: int | None, headers: dict[str, str | None] | None = None) -> str:
        """The Location of a new upload."""
        size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        answer = self.ask("POST", UPLOADS, {**size, **(headers or {})})
        assert answer.status == 201, answer.body
        return answer.headers["Location"]

    def send(
        self, where: str, offset: int, body: bytes, headers: dict[str, str | None] | None = None
    ) -> Answer:
        given = {"Upload-Offset": str(offset), "Content-Type": OCTETS, **(headers or {})}
        return self.ask("PATCH", where, given, body)

    def offset(self, where: str) -> int:
        answer = self.ask("HEAD", where)
        assert answer.status == 200
        return answer.offset

    def state(self, where: str, wait: int = 20) -> Any:
        return self.ask("GET", where, {"Prefer": f"wait={wait}"}).json
