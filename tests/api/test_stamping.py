"""Stamps of the log by a real RFC 3161 authority, kept once verified and owed while it is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from evidence.custody import stamped
from evidence.custody.models import KeptCheckpoint
from evidence.custody.note import Note
from evidence.custody.timestamp import read_authority, stamp_request, verify_stamp
from evidence.errors import TimestampInvalid
from server import vouching
from server.extensions import db
from tests.api.authority import Authority, listening
from tests.api.test_witnessing import act, application, stands
from tests.bureau import Bureau
from tests.conftest import SteppingClock
from tests.ports import free_port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tsa")


def stamp(app: Flask) -> int:
    with app.app_context():
        (peer,) = app.extensions["zhenglian"]["settings"].authorities
        return vouching.ask_authority(peer)


def test_a_checkpoint_is_stamped_at_the_interval_and_verifies_elsewhere(
    bureau: Bureau, authority: Authority, clock: SteppingClock
) -> None:
    with listening(authority) as url:
        app = application(bureau, ZHENGLIAN_TIMESTAMPS=f"{url} {authority.root}")
        head = act(app)
        assert (stamp(app), stamp(app)) == (1, 0)
        with app.app_context():
            (kept,) = stamped.stamps_of(db.session(), head.checkpoint)
        assert authority.verifies(Note.parse(head.checkpoint).text, kept.response)
        act(app)
        clock.step(minutes=59)
        assert stamp(app) == 0
        clock.step(minutes=1)
        assert stamp(app) == 1
        clock.step(minutes=61)
        assert stamp(app) == 0  # nothing new to be stamped


def test_while_the_authority_is_away_the_stamp_is_owed(
    bureau: Bureau, authority: Authority, clock: SteppingClock
) -> None:
    port = free_port()
    app = application(bureau, ZHENGLIAN_TIMESTAMPS=f"http://127.0.0.1:{port} {authority.root}")
    act(app)
    assert stamp(app) == 0
    assert stands(app).silent_since == clock.now
    newest = act(app)
    clock.step(seconds=5)
    with listening(authority, port):
        assert stamp(app) == 1
    assert (stands(app).size, stands(app).silent_since) == (newest.size, None)


def test_a_spoilt_stamp_is_not_kept(
    bureau: Bureau, authority: Authority, clock: SteppingClock
) -> None:
    authority.spoil = True
    with listening(authority) as url:
        app = application(bureau, ZHENGLIAN_TIMESTAMPS=f"{url} {authority.root}")
        act(app)
        assert stamp(app) == 0
    assert stands(app).problem
    with app.app_context():
        assert db.session.scalar(select(KeptCheckpoint.size)) is None


def test_a_stamp_proves_its_own_text_by_its_own_authority(
    authority: Authority, tmp_path: Path
) -> None:
    request = stamp_request("one\n")
    reply, trusted = authority.reply(request.der), read_authority(authority.root)
    assert verify_stamp(reply, "one\n", trusted, request.nonce)
    with pytest.raises(TimestampInvalid):
        verify_stamp(reply, "two\n", trusted)
    with pytest.raises(TimestampInvalid):
        verify_stamp(reply, "one\n", trusted, request.nonce + 1)
    another = Authority(tmp_path / "another")
    with pytest.raises(TimestampInvalid):
        verify_stamp(reply, "one\n", read_authority(another.root))
    for at in range(0, len(reply), 41):
        spoilt = bytearray(reply)
        spoilt[at] ^= 1
        try:
            verify_stamp(bytes(spoilt), "one\n", trusted, request.nonce)
        except TimestampInvalid:
            continue
        # What is not signed may differ (a status text, an order): never what was stamped.
        assert at < 12 or authority.verifies("one\n", bytes(spoilt))
