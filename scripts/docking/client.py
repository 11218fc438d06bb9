"""A client of tus 1.0.0 over http.client, which sends a file faster here than httpx does.

One Link is one connection, for one thread. Every call raises Delayed where asking again may
help, Refused, TokenRefused or UploadGone where it will not.
"""

from __future__ import annotations

import base64
import http.client
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import urlencode, urlsplit

from scripts.docking.answers import Answer, offset_of, read, require
from scripts.docking.card import PIECE, CardFile, read_into
from scripts.docking.troubles import (
    CardTrouble,
    Delayed,
    Refused,
    Stopped,
    Trouble,
)

UPLOADS = "/api/v1/uploads"
CONNECT_SECONDS = 15
ANSWER_SECONDS = 120
_BROKEN = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Station:
    """A server, and the token that this dock shows it."""

    url: str
    token: str
    language: str = "en"

    def connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                host, parts.port, timeout=CONNECT_SECONDS, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, parts.port, timeout=CONNECT_SECONDS)

    def path(self, path: str) -> str:
        """`path` of the API under the address that was given."""
        return urlsplit(self.url).path.rstrip("/") + path


class _AnsweredEarly(Exception):
    """The server answered before it had the whole body."""


class Link:
    """One connection to the station, made when it is needed and made again when it breaks."""

    def __init__(self, station: Station, stop: threading.Event) -> None:
        self._station = station
        self._stop = stop
        self._connection: http.client.HTTPConnection | None = None

    def find_sealed(self, sha256: str) -> dict[str, Any] | None:
        """The server's word on an earlier upload of ours with these bytes, once it is sealed."""
        query = urlencode({"sha256": sha256})
        answer = self._ask("GET", self._station.path(f"{UPLOADS}?{query}"))
        if answer.status in (404, 405):
            raise Refused("not_zhenglian")
        require(answer, 200)
        return answer.json if answer.json.get("sealed") is True else None

    def create(self, size: int, metadata: Mapping[str, str]) -> str:
        """The path of the upload for `metadata`; asking again with its event id is the same one."""
        pairs = ",".join(
            f"{key} {base64.b64encode(value.encode()).decode()}"
            for key, value in metadata.items()
            if value
        )
        headers = {"Upload-Length": str(size), "Upload-Metadata": pairs, "Content-Length": "0"}
        answer = self._ask("POST", self._station.path(UPLOADS), headers)
        if answer.json.get("code") == "identifier_reused":
            raise Refused("identifier_reused")
        if answer.status in (404, 405):
            raise Refused("not_zhenglian")
        require(answer, 200, 201)
        # Only the path counts: the token goes to no host but the one that was named.
        location = urlsplit(answer.headers.get("location", "")).path
        if not location.startswith("/"):
            raise Refused("not_zhenglian")
        return location

    def offset(self, location: str) -> int:
        """How many bytes the server has, durably."""
        answer = self._ask("HEAD", location)
        require(answer, 200, 204)
        return offset_of(answer)

    def send(
        self,
        location: str,
        file: CardFile,
        source: BinaryIO,
        offset: int,
        sending: Callable[[int], None],
    ) -> int:
        """Send everything from `offset` on in one PATCH; the server's offset afterwards.

        `sending` is told the offset reached after each piece.
        """
        headers = {
            "Upload-Offset": str(offset),
            "Content-Length": str(file.size - offset),
            "Content-Type": "application/offset+octet-stream",
        }
        connection = self._open()
        source.seek(offset)
        try:
            try:
                body = self._pieces(connection, source, offset, file.size, sending)
                connection.request("PATCH", location, body, self._headers(headers))
                whole = True
            except (_AnsweredEarly, *_BROKEN):
                whole = False  # its answer, if there is one, says why
            answer = read(connection)
        except _BROKEN as error:
            self.close()
            raise self._broken(error) from None
        except (Trouble, Stopped):
            self.close()
            raise
        if not whole or answer.headers.get("connection", "").lower() == "close":
            self.close()
        if answer.json.get("code") == "upload_complete":
            return file.size
        require(answer, 204, 200)
        if not whole:
            raise Delayed("connection_lost", reason="the server stopped reading")
        return offset_of(answer)

    def look(self, location: str, wait: int = 0) -> dict[str, Any]:
        """What became of the upload; with `wait` the server may take so many seconds to say."""
        prefer = {"Prefer": f"wait={wait}"} if wait else {}
        answer = self._ask("GET", location, prefer)
        require(answer, 200)
        return answer.json

    def abort(self) -> None:
        """Break whatever another thread is doing on this link."""
        connection = self._connection
        if connection is not None and isinstance(connection.sock, socket.socket):
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """One request without a body; asked once more where a kept connection was stale."""
        while True:
            fresh = self._connection is None
            try:
                connection = self._open()
                connection.request(method, path, headers=self._headers(headers or {}))
                answer = read(connection)
            except _BROKEN as error:
                self.close()
                if fresh or self._stop.is_set():
                    raise self._broken(error) from None
                continue
            if answer.headers.get("connection", "").lower() == "close":
                self.close()
            return answer

    def _open(self) -> http.client.HTTPConnection:
        """Raises Delayed where no connection can be made, Refused where TLS does not hold."""
        if self._stop.is_set():
            raise Stopped
        if self._connection is None:
            connection = self._station.connection()
            try:
                connection.connect()
            except ssl.SSLCertVerificationError as error:
                raise Refused("certificate", reason=error.verify_message) from None
            except _BROKEN as error:
                raise self._broken(error, "unreachable") from None
            connection.sock.settimeout(ANSWER_SECONDS)
            self._connection = connection
            if self._stop.is_set():
                raise Stopped
        return self._connection

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._station.token}",
            "Tus-Resumable": "1.0.0",
            "Accept": "application/json",
            "Accept-Language": self._station.language,
            **more,
        }

    def _pieces(
        self,
        connection: http.client.HTTPConnection,
        source: BinaryIO,
        offset: int,
        size: int,
        sending: Callable[[int], None],
    ) -> Iterator[memoryview]:
        piece = memoryview(bytearray(PIECE))
        # Under TLS the socket is readable for reasons of its own (session tickets).
        plain = not isinstance(connection.sock, ssl.SSLSocket)
        while offset < size:
            if self._stop.is_set():
                raise Stopped
            if plain and select.select([connection.sock], [], [], 0)[0]:
                raise _AnsweredEarly
            count = read_into(source, piece[: min(PIECE, size - offset)])
            if not count:
                raise CardTrouble("file_changed")
            yield piece[:count]
            offset += count
            sending(offset)

    def _broken(self, error: Exception, key: str = "connection_lost") -> Exception:
        if self._stop.is_set():
            return Stopped()
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Delayed(key, reason=reason)
