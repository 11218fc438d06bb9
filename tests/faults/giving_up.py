"""Whoever gives an upload up in the middle, and how long the next one has to wait for it."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from evidence.storage.s3_writer import SILENT_SECONDS
from tests.api.tus import OCTETS, Tus
from tests.faults.told import Told

# Any writer's right to an upload ends so long after its last byte; the rest is for a busy machine.
LEASE_SECONDS = SILENT_SECONDS
_MARGIN_SECONDS = 10
_BUSY = {409, 503}


@dataclass
class GivenUp:
    """A PATCH that was announced whole and brought half; its connection, where it was left open."""

    told: Told
    connection: socket.socket | None

    def resumed(self, tus: Tus, since: float) -> float:
        """Seconds from `since` until another could send the next byte. Raises AssertionError."""
        content = self.told.content()
        while True:
            at = tus.offset(self.told.where)
            assert at >= self.told.acknowledged, "an acknowledged byte is gone"
            assert at < self.told.size, "half of it is all of it"
            sent = tus.send(self.told.where, at, content[at : at + 1])
            waited = time.monotonic() - since
            if sent.status == 204:
                self.told.acknowledged = sent.offset
                return waited
            assert sent.status in _BUSY, sent.body
            assert waited < LEASE_SECONDS + _MARGIN_SECONDS, f"{self.told.where} is still leased"
            time.sleep(0.1)

    def hang_up(self) -> None:
        if self.connection is not None:
            self.connection.close()


def given_up(tus: Tus, told: Told, *, stays: bool) -> GivenUp:
    """Give it up now; with `stays` the connection is left open. Raises OSError."""
    rest = told.content()[told.acknowledged :]
    headers = tus.headers(
        {
            "Upload-Offset": str(told.acknowledged),
            "Content-Type": OCTETS,
            "Content-Length": str(len(rest)),
        }
    )
    lines = [f"PATCH {told.where} HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items())]
    connection = socket.create_connection((tus.address.hostname, tus.address.port), 30)
    if tus.tls is not None:
        connection = tus.tls.wrap_socket(connection, server_hostname=tus.address.hostname)
    try:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + rest[: len(rest) // 2])
    except OSError:
        connection.close()
        raise
    if not stays:
        connection.close()
    return GivenUp(told, connection if stays else None)


def longest_wait(tus: Tus, given: Sequence[GivenUp]) -> float:
    """Go on with all of them at once; the seconds that the last one had to wait; 0 of none."""
    since = time.monotonic()
    with ThreadPoolExecutor(4) as people:
        waits = list(people.map(lambda each: each.resumed(tus, since), given))
    for each in given:
        each.hang_up()
    return max(waits, default=0.0)
