"""A PostgreSQL that the network is cut off from, without a word: nobody waits for it for ever."""

from __future__ import annotations

import os
import socket
import time

import pytest
from flask import Flask
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import OperationalError

from server.extensions import db
from tests.faults.network import Cut, Way

pytestmark = pytest.mark.grown_up


def test_whoever_waits_for_an_answer_is_told_within_a_minute(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        with socket.socket(fileno=os.dup(driver.pgconn.socket)) as kernel:
            told = [
                kernel.getsockopt(socket.IPPROTO_TCP, option)
                for option in (
                    socket.TCP_KEEPIDLE,
                    socket.TCP_KEEPINTVL,
                    socket.TCP_KEEPCNT,
                    socket.TCP_USER_TIMEOUT,
                )
            ]
            assert kernel.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    idle, interval, count, unacknowledged = told
    assert idle + interval * count <= 60
    assert 0 < unacknowledged <= 60_000


def test_a_new_connection_into_silence_is_given_up(app: Flask) -> None:
    with app.app_context():
        url = make_url(db.engine.url)
        options = app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    with Way(url.port or 5432) as way:
        engine = create_engine(url.set(port=way.port), **options)
        with way.cut(Cut.SILENT):
            began = time.monotonic()
            with pytest.raises(OperationalError):
                engine.connect()
            assert time.monotonic() - began < 20
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        engine.dispose()
