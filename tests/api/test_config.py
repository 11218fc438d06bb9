"""Settings: each has a default that works, and a wrong one stops the start with a sentence."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from flask import request

from evidence.storage.filesystem import FilesystemStore
from server import config, create_app, misspelt
from server.config import ConfigurationError
from tests.live import ROOT


def test_the_defaults_are_one_folder_with_everything_in_it(tmp_path: Path) -> None:
    settings = config.read({"ZHENGLIAN_DATA": str(tmp_path)})
    assert settings.database_url == f"sqlite:///{tmp_path}/zhenglian.db"
    assert settings.store_url == (tmp_path / "store").as_uri()
    assert settings.queue_url == f"sqlite:///{tmp_path}/queue.db"
    assert settings.secret_key_file == tmp_path / "keys" / "secret.key"
    assert settings.log_origin == "zhenglian.local/log"
    assert settings.max_upload == 64 * config.GIB
    assert settings.proxies == 0


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path) -> None:
    empty = dict.fromkeys(_VARIABLES, "")
    given = {**empty, "ZHENGLIAN_DATA": str(tmp_path)}
    assert config.read(given) == config.read({"ZHENGLIAN_DATA": str(tmp_path)})


_VARIABLES = (
    "ZHENGLIAN_DATA",
    "ZHENGLIAN_DATABASE_URL",
    "ZHENGLIAN_STORE_URL",
    "ZHENGLIAN_STORE_OLD_URL",
    "ZHENGLIAN_STORE_LOCK_DAYS",
    "ZHENGLIAN_STORE_LOCK_MODE",
    "ZHENGLIAN_SIGNED_URLS",
    "ZHENGLIAN_QUEUE_URL",
    "ZHENGLIAN_LOG_ORIGIN",
    "ZHENGLIAN_SECRET_KEY_FILE",
    "ZHENGLIAN_MAX_UPLOAD",
    "ZHENGLIAN_PROXIES",
    "ZHENGLIAN_ACCEL",
    "ZHENGLIAN_FIXITY_DAYS",
    "ZHENGLIAN_FIXITY_RATE",
    "ZHENGLIAN_DISK_ALARM",
    "ZHENGLIAN_SM3",
    "ZHENGLIAN_BUREAU",
    "ZHENGLIAN_PUBLIC_URL",
    "ZHENGLIAN_WITNESSES",
    "ZHENGLIAN_TIMESTAMPS",
    "ZHENGLIAN_TIMESTAMP_MINUTES",
)


def test_no_other_variable_is_read_anywhere() -> None:
    named = set()
    for package in ("server", "evidence", "schemas"):
        for file in (ROOT / package).rglob("*.py"):
            named |= set(re.findall(r"ZHENGLIAN_[A-Z_0-9]+", file.read_text("utf-8")))
    assert named == {*_VARIABLES, "ZHENGLIAN_DEMO_PASSWORD"} == set(misspelt.KNOWN)


def test_a_name_that_was_typed_wrong_is_told_with_the_one_that_is_meant() -> None:
    given = {
        "ZHENGLIAN_STORE_URI": "s3://a:secret@h",
        "ZHENGLIAN_COLOUR": "red",
        "ZHENGLIAN_TEST_S3": "is the tests'",
        "ZHENGLIAN_BUREAU": "known",
        "STORE_URL": "not ours",
    }
    assert list(misspelt.warnings(given)) == [
        "ZHENGLIAN_COLOUR is no setting, and is ignored.",
        "ZHENGLIAN_STORE_URI is no setting, and is ignored. Is ZHENGLIAN_STORE_URL meant?",
    ]


def test_it_is_told_at_the_start_in_one_line_and_stops_nothing(tmp_path: Path) -> None:
    given = {"ZHENGLIAN_DATA": str(tmp_path), "ZHENGLIAN_DATABSE_URL": "postgresql://a:secret@h/d"}
    done = subprocess.run(
        [sys.executable, "-m", "server.migrate"],
        check=False,
        cwd=ROOT,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.endswith("is ignored. Is ZHENGLIAN_DATABASE_URL meant?")
    assert "secret" not in line


@pytest.mark.parametrize(("read_in", "locked_for"), [("180", "180"), ("200", ""), ("1", "1")])
def test_a_lock_that_ends_before_the_next_reading_is_refused(
    tmp_path: Path, read_in: str, locked_for: str
) -> None:
    given = {
        "ZHENGLIAN_DATA": str(tmp_path),
        "ZHENGLIAN_FIXITY_DAYS": read_in,
        "ZHENGLIAN_STORE_LOCK_DAYS": locked_for,
    }
    assert config.read(given).fixity_period.days == int(read_in)  # a disk locks nothing
    there = given | {"ZHENGLIAN_STORE_URL": "s3://key:secret@127.0.0.1:8333/evidence"}
    with pytest.raises(config.ConfigurationError, match=r"FIXITY_DAYS=.*STORE_LOCK_DAYS"):
        config.read(there)
    longer = {"ZHENGLIAN_STORE_LOCK_DAYS": str(int(read_in) + 1)}
    assert config.read(there | longer).fixity_period.days == int(read_in)
    assert config.read(there | {"ZHENGLIAN_STORE_LOCK_DAYS": "0"}).store_lock_days == 0


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("500M", 500 * 1024**2),
        ("64G", 64 * 1024**3),
        ("1 TiB", 1024**4),
        ("20kb", 20 * 1024),
    ],
)
def test_a_size_is_written_as_people_write_it(tmp_path: Path, text: str, size: int) -> None:
    settings = config.read({"ZHENGLIAN_DATA": str(tmp_path), "ZHENGLIAN_MAX_UPLOAD": text})
    assert settings.max_upload == size


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ZHENGLIAN_MAX_UPLOAD", "a lot"),
        ("ZHENGLIAN_MAX_UPLOAD", "0"),
        ("ZHENGLIAN_MAX_UPLOAD", "-1"),
        ("ZHENGLIAN_MAX_UPLOAD", "1e9"),
        ("ZHENGLIAN_MAX_UPLOAD", "١٢"),
        ("ZHENGLIAN_LOG_ORIGIN", "https://evidence.example.gov.cn/log"),
        ("ZHENGLIAN_LOG_ORIGIN", "two words"),
        ("ZHENGLIAN_LOG_ORIGIN", "line\nbreak"),
        ("ZHENGLIAN_DATABASE_URL", "mysql://x"),
        ("ZHENGLIAN_DATABASE_URL", "zhenglian.db"),
        ("ZHENGLIAN_STORE_URL", "ftp://x"),
        ("ZHENGLIAN_STORE_OLD_URL", "ftp://x"),
        ("ZHENGLIAN_QUEUE_URL", "amqp://x"),
        ("ZHENGLIAN_PROXIES", "yes"),
        ("ZHENGLIAN_PROXIES", "-1"),
        ("ZHENGLIAN_ACCEL", "originals"),
        ("ZHENGLIAN_ACCEL", "/originals"),
        ("ZHENGLIAN_ACCEL", "/"),
        ("ZHENGLIAN_ACCEL", "/../"),
        ("ZHENGLIAN_ACCEL", "/originals/"),
        ("ZHENGLIAN_FIXITY_DAYS", "0"),
        ("ZHENGLIAN_FIXITY_RATE", "fast"),
        ("ZHENGLIAN_DISK_ALARM", "100"),
        ("ZHENGLIAN_DISK_ALARM", "ten"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        config.read({"ZHENGLIAN_DATA": str(tmp_path), name: value})
    assert name in str(refusal.value)


def test_a_store_is_not_moved_into_itself(tmp_path: Path) -> None:
    url = (tmp_path / "store").as_uri()
    given = {"ZHENGLIAN_DATA": str(tmp_path), "ZHENGLIAN_STORE_OLD_URL": f"{url}/"}
    with pytest.raises(ConfigurationError, match="ZHENGLIAN_STORE_OLD_URL is the same"):
        config.read(given)
    given["ZHENGLIAN_STORE_URL"] = (tmp_path / "new").as_uri()
    with pytest.raises(ConfigurationError, match="there is no store in"):
        config.read(given)
    FilesystemStore(tmp_path / "store")
    moving = config.read(given)
    assert moving.store_old_url == f"{url}/"


def test_a_password_in_a_url_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        config.read({"ZHENGLIAN_DATA": str(tmp_path), "ZHENGLIAN_DATABASE_URL": "my://a:secret@h"})
    assert "secret" not in str(refusal.value)


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigurationError, match="ZHENGLIAN_DATA"):
        create_app({"ZHENGLIAN_DATA": str(tmp_path / "data")})


def test_keys_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "a folder" / "data"
    app = create_app({"ZHENGLIAN_DATA": str(data)})
    assert app.secret_key == (data / "keys" / "secret.key").read_text()
    assert stat.S_IMODE((data / "keys" / "secret.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "keys").stat().st_mode) == 0o700
    again = create_app({"ZHENGLIAN_DATA": str(data)})
    assert again.secret_key == app.secret_key


@pytest.mark.parametrize("content", ["", "short", "x" * 31])
def test_a_key_that_could_be_guessed_is_refused(tmp_path: Path, content: str) -> None:
    key = tmp_path / "secret.key"
    key.write_text(content)
    environ = {"ZHENGLIAN_DATA": str(tmp_path), "ZHENGLIAN_SECRET_KEY_FILE": str(key)}
    with pytest.raises(ConfigurationError, match="ZHENGLIAN_SECRET_KEY_FILE"):
        create_app(environ)
    assert key.read_text() == content


@pytest.mark.parametrize("module", ["server.serve", "server.worker", "server.migrate"])
def test_every_process_ends_with_the_sentence_and_no_traceback(tmp_path: Path, module: str) -> None:
    environ = {**os.environ, "ZHENGLIAN_DATA": str(tmp_path), "ZHENGLIAN_MAX_UPLOAD": "much"}
    done = subprocess.run(
        [sys.executable, "-m", module],
        check=False,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "ZHENGLIAN_MAX_UPLOAD='much' is not a size" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_proxy_is_believed_only_where_there_is_one(tmp_path: Path) -> None:
    claims = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https"}
    seen = []
    for proxies in ("0", "1"):
        app = create_app({"ZHENGLIAN_DATA": str(tmp_path), "ZHENGLIAN_PROXIES": proxies})

        def look() -> str:
            seen.append((request.remote_addr, request.is_secure))
            return ""

        app.add_url_rule("/look", view_func=look)
        app.test_client().get("/look", headers=claims)
    assert seen == [("127.0.0.1", False), ("10.1.2.3", True)]
