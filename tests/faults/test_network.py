"""The network of the storms does what it says: otherwise a storm in which nothing is lost says
nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.network import Cut, Way


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a service that says again what it is told."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection, suppress(ConnectionResetError):
            while piece := connection.recv(100):
                connection.sendall(piece)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    serving = threading.Thread(target=serve)
    serving.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    serving.join()
    listener.close()


@pytest.fixture
def way(echo: int) -> Iterator[Way]:
    with Way(echo) as way:
        yield way


@pytest.fixture
def connection(way: Way) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", way.port), 10) as connection:
        connection.sendall(b"before")
        assert connection.recv(100) == b"before"
        yield connection


def test_what_was_said_into_a_silent_cut_arrives_after_it(
    way: Way, connection: socket.socket
) -> None:
    with way.cut(Cut.SILENT):
        connection.sendall(b"meanwhile")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", way.port), 0.3)
    connection.settimeout(30)
    assert connection.recv(100) == b"meanwhile"


def test_a_silent_cut_is_noticed_by_who_watches_for_acknowledgements(
    way: Way, connection: socket.socket
) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 500)
    connection.settimeout(30)
    with way.cut(Cut.SILENT):
        connection.sendall(b"meanwhile")
        with pytest.raises(TimeoutError, match="Connection timed out"):
            connection.recv(100)


def test_an_abrupt_cut_resets_what_is_there_and_what_comes(
    way: Way, connection: socket.socket
) -> None:
    with way.cut(Cut.ABRUPT):
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
        with (
            pytest.raises(ConnectionResetError),
            socket.create_connection(("127.0.0.1", way.port), 10) as another,
        ):
            another.recv(100)
    with socket.create_connection(("127.0.0.1", way.port), 10) as again:
        again.sendall(b"after")
        assert again.recv(100) == b"after"


def test_an_end_is_passed_on(way: Way, connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(100) == b""
