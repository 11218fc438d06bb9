"""A request's body as it comes, from gunicorn's own reader over a real socket."""

from __future__ import annotations

import io
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from gunicorn.config import Config
from gunicorn.http import get_parser

from server import body
from server.body import SILENT_SECONDS, Body

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        yield client, server


def arrived(
    pair: Pair, head: str, first: bytes = b"", silent: float = SILENT_SECONDS
) -> tuple[Body, object]:
    """The body of a PATCH whose head and first bytes came in one packet; and its parser."""
    client, server = pair
    client.sendall(f"PATCH / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + first)
    parser = get_parser(Config(), server, ("127.0.0.1", 1))
    request = next(parser)
    environ = {
        "wsgi.input": request.body,
        "wsgi.input_terminated": True,
        "gunicorn.socket": server,
        "REQUEST_METHOD": "PATCH",
    }
    return Body(environ, silent), parser


def whole(taken: Body) -> bytes:
    return b"".join(bytes(piece) for piece in taken)


def test_a_body_is_taken_to_its_end_and_no_further(pair: Pair) -> None:
    taken, parser = arrived(pair, "Content-Length: 10", b"01234")
    following = b"HEAD /next HTTP/1.1\r\nHost: x\r\n\r\n"
    pair[0].sendall(b"56789" + following)
    assert whole(taken) == b"0123456789"
    assert not taken.cut
    assert next(parser).path == "/next"  # type: ignore[call-overload]


def test_what_was_read_ahead_of_the_next_request_is_left_to_it(pair: Pair) -> None:
    taken, parser = arrived(pair, "Content-Length: 3", b"abcGET /n HTTP/1.1\r\nHost: x\r\n\r\n")
    assert whole(taken) == b"abc"
    assert next(parser).path == "/n"  # type: ignore[call-overload]


@pytest.mark.parametrize("head", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_a_body_that_ends_early_gives_what_came_and_says_so(pair: Pair, head: str) -> None:
    first = b"0123" if "Length" in head else b"4\r\n0123\r\n5\r\n45"
    taken, _ = arrived(pair, head, first)
    pair[0].close()
    assert whole(taken).startswith(b"0123")
    assert taken.cut


def test_a_reset_gives_what_came(pair: Pair) -> None:
    taken, _ = arrived(pair, "Content-Length: 100", b"head and ")
    pieces = iter(taken)
    assert bytes(next(pieces)) == b"head and "
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    pair[0].close()
    assert list(pieces) == []
    assert taken.cut


def test_silence_ends_a_body(pair: Pair) -> None:
    taken, _ = arrived(pair, "Content-Length: 100", b"then nothing", silent=0.05)
    assert whole(taken) == b"then nothing"
    assert taken.cut


def test_chunks_are_taken_together(pair: Pair) -> None:
    taken, _ = arrived(pair, "Transfer-Encoding: chunked", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert whole(taken) == b"abcde"
    assert not taken.cut


@pytest.mark.parametrize("chunks", [b"zz\r\nabc", b"3\r\nabcXX", b"-1\r\n"])
def test_a_malformed_chunk_ends_the_body(pair: Pair, chunks: bytes) -> None:
    taken, _ = arrived(pair, "Transfer-Encoding: chunked", b"2\r\nok\r\n" + chunks)
    pair[0].close()
    assert whole(taken)[:2] == b"ok"
    assert taken.cut


def test_another_servers_stream_is_read_as_it_is() -> None:
    environ = {"wsgi.input": io.BytesIO(b"0123456789"), "CONTENT_LENGTH": "5"}
    assert whole(Body(environ)) == b"01234"


def test_another_servers_stream_that_ends_early_is_cut() -> None:
    taken = Body({"wsgi.input": io.BytesIO(b"012"), "CONTENT_LENGTH": "5"})
    assert whole(taken) == b"012"
    assert taken.cut


def test_the_rest_of_a_body_that_was_answered_early_is_let_go_and_no_more(pair: Pair) -> None:
    taken, parser = arrived(pair, "Content-Length: 300000", b"01234")
    rest = threading.Thread(target=pair[0].sendall, args=(bytes(299_995) + b"GET /n HTTP/1.1\r\n",))
    rest.start()
    body.let_go(taken._environ)
    rest.join()
    pair[0].sendall(b"Host: x\r\n\r\n")
    assert next(parser).path == "/n"  # type: ignore[call-overload]


def test_a_body_that_never_ends_is_let_go_for_a_while_only(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "LINGER_SECONDS", 0.1)
    taken, _ = arrived(pair, "Content-Length: 999999999999", b"0")
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.02):
            pair[0].sendall(b"0")

    trickling = threading.Thread(target=trickle)
    trickling.start()
    body.let_go(taken._environ)
    over.set()
    trickling.join()
    # And one on which nothing comes any more.
    body.let_go(taken._environ)
