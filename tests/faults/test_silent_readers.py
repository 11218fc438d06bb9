"""Who asks for a recording and takes nothing of it keeps no thread from others."""

from __future__ import annotations

import random
import socket
import time

import pytest

from tests.api.test_behind_nginx import Kept, bring
from tests.api.tus import Tus
from tests.bureau import Bureau
from tests.live import LiveServer

_UNREAD_SECONDS = 2
_WEB = f"""
import sys
from server import serve
serve.THREADS, serve.UNREAD_SECONDS = 1, {_UNREAD_SECONDS}
sys.exit(serve.main())
"""


class OneThread(LiveServer):
    """It has one thread for everybody."""

    def start_web(self) -> None:
        self._start("web", "-c", _WEB, "--port", str(self.port))
        self._until_it_answers("/healthz")


def _silent(server: LiveServer, kept: Kept) -> socket.socket:
    """A download of which nothing is taken but how it begins."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    reader.connect(("127.0.0.1", server.port))
    token = server.tokens["supervisor"]
    asked = f"GET {kept.path}/original HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    reader.sendall(asked.encode())
    assert reader.recv(12) == b"HTTP/1.1 200"
    return reader


@pytest.mark.one_box("downloads are the storage service's business where there is one")
def test_whoever_takes_nothing_of_a_download_gives_the_thread_back(bureau: Bureau) -> None:
    server = OneThread(bureau)
    server.start()
    try:
        # More than what both sides' kernels hold of it.
        kept = bring(server, random.Random(7).randbytes(32 * 1024 * 1024))
        with _silent(server, kept):
            since = time.monotonic()
            assert Tus(server).ask("GET", "/healthz").status == 200
            assert 1 < time.monotonic() - since < 10 * _UNREAD_SECONDS
    finally:
        server.stop()
