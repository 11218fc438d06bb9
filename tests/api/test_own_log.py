"""A database whose log another installation signed: nothing begins, and the words say why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete

from evidence.custody import keys
from evidence.custody.models import Lease
from evidence.errors import CustodyError
from server import config, create_app, key_change, starting
from server.extensions import db, signer
from tests import databases
from tests.api.test_witnessing import sequence
from tests.bureau import Bureau
from tests.live import ROOT
from tests.ports import free_port

ORIGIN = "zhenglian.local/log"
STARTS = {
    "first start": ("server.first_start", "--url", "http://here"),
    "web": ("server.serve", "--port", str(free_port())),
    "worker": ("server.worker",),
}


@pytest.fixture
def signed(app: Flask, bureau: Bureau) -> Bureau:
    """A bureau whose log has a head."""
    sequence(app)
    with app.app_context():
        db.engine.dispose()
    return bureau


def short(bureau: Bureau) -> str:
    """Name and id of the key in its folder."""
    key = keys.read_key(bureau.data / "keys" / "log.key", ORIGIN)
    return "+".join(keys.signer_of(key).verifier_key.split("+", 2)[:2])


def begin(bureau: Bureau, start: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *STARTS[start]],
        cwd=ROOT,
        env={**os.environ, **bureau.environ, **(environ or {})},
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("start", STARTS)
def test_without_its_key_nothing_begins_and_no_key_is_made(signed: Bureau, start: str) -> None:
    key = short(signed)
    shutil.rmtree(signed.data / "keys")
    code, words = begin(signed, start)
    assert code == 2
    path = signed.data / "keys" / "log.key"
    assert f"signed by {key}, and {path} is missing. Copy the folder keys" in words
    assert "scripts/rotate-key lost" in words
    assert not path.exists()


@pytest.mark.parametrize("start", STARTS)
def test_with_another_key_nothing_begins(signed: Bureau, start: str) -> None:
    key = short(signed)
    path = signed.data / "keys" / "log.key"
    path.unlink()
    keys.load_or_create(path, ORIGIN)
    code, words = begin(signed, start)
    assert code == 2
    assert f"signed by {key}, and {path} holds another key, {short(signed)}. Copy" in words
    assert "move this file away" in words


def test_a_running_application_makes_no_key_where_the_log_has_a_head(signed: Bureau) -> None:
    shutil.rmtree(signed.data / "keys")
    app = create_app(signed.environ)
    with app.app_context():
        with pytest.raises(CustodyError, match="is missing"):
            signer()
        db.engine.dispose()
    assert not (signed.data / "keys" / "log.key").exists()
    said = app.test_client().get("/readyz").json["items"]["custody_log"]
    assert said == "the log's key is missing or damaged; start again, which says what to do"


def test_another_key_than_the_heads_is_not_ready(client: FlaskClient, signed: Bureau) -> None:
    assert client.get("/readyz").json["items"]["custody_log"] == "ready"
    path = signed.data / "keys" / "log.key"
    path.unlink()
    keys.load_or_create(path, ORIGIN)
    other = create_app(signed.environ)
    said = other.test_client().get("/readyz").json["items"]["custody_log"]
    assert "and keys/log.key holds another key" in said
    assert str(signed.data) not in said
    with other.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("start", STARTS)
def test_under_another_origin_nothing_begins_and_the_right_one_is_named(
    signed: Bureau, start: str
) -> None:
    other = {"ZHENGLIAN_LOG_ORIGIN": "evidence.example.gov.cn/log"}
    code, words = begin(signed, start, other)
    assert code == 2
    assert words.endswith(f"Set ZHENGLIAN_LOG_ORIGIN={ORIGIN}.\n")
    # Nor where the key is not there to tell of it.
    (signed.data / "keys" / "log.key").unlink()
    assert begin(signed, start, other) == (code, words)


def test_another_origin_than_the_heads_is_not_ready(signed: Bureau) -> None:
    app = create_app({**signed.environ, "ZHENGLIAN_LOG_ORIGIN": "evidence.example.gov.cn/log"})
    said = app.test_client().get("/readyz").json["items"]["custody_log"]
    assert said.endswith(f"Set ZHENGLIAN_LOG_ORIGIN={ORIGIN}.")
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("acts", [("begin",), ("begin", "finish after a start"), ("lost",)])
def test_a_key_that_is_changed_begins(signed: Bureau, acts: tuple[str, ...]) -> None:
    chosen = config.read(signed.environ)
    with databases.as_owner(signed.database) as database:
        database.execute(delete(Lease))
    for act in acts:
        if act == "lost":
            chosen.log_key_file.unlink()
        if act.endswith("after a start"):
            again = create_app(signed.environ)
            sequence(again)
            with again.app_context():
                db.engine.dispose()
        key_change.change(act.split()[0], chosen)
        starting.require(chosen)
