"""A start that is refused ends with a sentence and a status: 2 is for a person, 1 passes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import boto3
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from scripts.benchmarks.postgresql import Cluster
from scripts.benchmarks.seaweed import s3_client
from server import config, create_app, starting
from server.extensions import db
from tests import s3_service
from tests.api.test_own_log import STARTS, begin
from tests.bureau import Bureau
from tests.live import ROOT
from tests.ports import free_port

# Nothing listens at the first port of all.
ASKED = "postgresql://somebody:wrong@127.0.0.1:1/zhenglian"


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        (ASKED, 1, "of ZHENGLIAN_DATABASE_URL cannot be used just now: .*Connection refused"),
        (ASKED.replace("127.0.0.1", "nowhere.invalid"), 2, "Name or service not known"),
        (ASKED.replace("127.0.0.1:", "127.0.0.1:p"), 2, "write it as %25 or %40"),
        ("sqlite:////proc/nothing/zhenglian.db", 2, "unable to open database file"),
    ],
)
def test_a_database_that_cannot_be_had(
    bureau: Bureau, start: str, url: str, status: int, words: str
) -> None:
    if start != "first start" and url.startswith("sqlite"):
        pytest.skip("a file that is not there is left to who migrates")
    code, said = begin(bureau, start, {"ZHENGLIAN_DATABASE_URL": url})
    assert code == status, said
    assert re.search(words, said)
    assert "wrong" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("start", STARTS)
def test_a_store_folder_that_cannot_be_made_is_named(bureau: Bureau, start: str) -> None:
    (bureau.data / "file").touch()
    folder = bureau.data / "file" / "store"
    code, said = begin(bureau, start, {"ZHENGLIAN_STORE_URL": folder.as_uri()})
    assert code == 2
    assert said.startswith(f"ZHENGLIAN_STORE_URL={folder.as_uri()}: The folder {folder} cannot be")


def test_where_a_store_is_away_it_begins_all_the_same(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Or whoever asks S3 next in this process would go on with these.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    url = f"s3://evidence?endpoint=http://127.0.0.1:{free_port()}"
    starting.require(config.read({**bureau.environ, "ZHENGLIAN_STORE_URL": url}))


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """The URL of a PostgreSQL that asks for a password; somebody's is `right`."""
    with Cluster(fsync="off") as cluster:
        engine = create_engine(cluster.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        rules = "host all all 127.0.0.1/32 trust\n"
        (cluster.folder / "data" / "pg_hba.conf").write_text(
            "host all somebody 127.0.0.1/32 scram-sha-256\n" + rules
        )
        with engine.connect() as connection:
            connection.execute(text("CREATE ROLE somebody LOGIN PASSWORD 'right'"))
            connection.execute(text("SELECT pg_reload_conf()"))
        port = make_url(cluster.url).port
        yield f"postgresql://somebody:right@127.0.0.1:{port}/postgres"


@pytest.mark.grown_up
@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        (":right@", ":wrong@", 'password authentication failed for user "somebody"'),
        (":right@", "@", "no password supplied"),
        ("/postgres", "/nothing", 'database "nothing" does not exist'),
        ("somebody", "nobody", 'role "nobody" does not exist'),
        ("/postgres", "/postgres?sslmode=require", "server does not support SSL"),
    ],
)
@pytest.mark.parametrize("start", STARTS)
def test_what_postgresql_refuses_is_told_in_its_words(
    guarded: str, bureau: Bureau, start: str, right: str, wrong: str, words: str
) -> None:
    url = guarded.replace(right, wrong)
    code, said = begin(bureau, start, {"ZHENGLIAN_DATABASE_URL": url})
    assert (code, words in said) == (2, True), said
    assert ":wrong" not in said


@pytest.mark.grown_up
@pytest.mark.parametrize("start", STARTS)
def test_a_database_that_is_not_in_utf8_is_told_so(
    guarded: str, bureau: Bureau, start: str
) -> None:
    owner = make_url(guarded).set(
        drivername="postgresql+psycopg", username="postgres", password=None
    )
    engine = create_engine(owner, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS ascii"))
        made = "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
        connection.execute(text(made))
    url = guarded.replace("/postgres", "/ascii")
    code, said = begin(bureau, start, {"ZHENGLIAN_DATABASE_URL": url})
    assert (code, "is not in UTF-8. Make another: createdb" in said) == (2, True), said


@pytest.mark.grown_up
def test_an_account_that_may_make_no_tables_is_told_so(guarded: str, bureau: Bureau) -> None:
    code, said = begin(bureau, "first start", {"ZHENGLIAN_DATABASE_URL": guarded})
    assert (code, "permission denied for schema public" in said) == (2, True), said


@pytest.mark.grown_up
def test_a_first_start_waits_for_a_database_that_is_not_up_yet(bureau: Bureau) -> None:
    cluster = Cluster(fsync="off")
    try:
        with subprocess.Popen(
            [sys.executable, "-m", *STARTS["first start"], "--wait", "60"],
            cwd=ROOT,
            env={**os.environ, **bureau.environ, "ZHENGLIAN_DATABASE_URL": cluster.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr
            assert re.search("Connection refused.*Trying again", process.stderr.readline())
            assert process.poll() is None
            cluster.start()
            words, said = process.communicate(timeout=60)
        assert (process.returncode, "password" in words) == (0, True), said
    finally:
        cluster.remove()


# ── S3 ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.grown_up
@pytest.mark.parametrize("start", STARTS)
def test_a_bucket_that_is_not_there_is_not_made(bureau: Bureau, start: str) -> None:
    endpoint = os.environ["ZHENGLIAN_TEST_S3"]
    url = f"s3://no-such-bucket?endpoint={endpoint}"
    code, said = begin(bureau, start, {"ZHENGLIAN_STORE_URL": url})
    assert code == 2
    assert "ZHENGLIAN_STORE_URL=s3://no-such-bucket: There is no such bucket. Make it" in said
    there = [bucket["Name"] for bucket in s3_client(endpoint).list_buckets()["Buckets"]]
    assert "no-such-bucket" not in there


@pytest.mark.grown_up
def test_to_ask_whether_it_is_ready_makes_no_bucket(bureau: Bureau) -> None:
    endpoint = os.environ["ZHENGLIAN_TEST_S3"]
    url = f"s3://nor-this-one?endpoint={endpoint}"
    app = create_app({**bureau.environ, "ZHENGLIAN_STORE_URL": url})
    said = app.test_client().get("/readyz").json["items"]["storage"]
    assert said == "There is no such bucket. Make it, or correct ZHENGLIAN_STORE_URL."
    there = [bucket["Name"] for bucket in s3_client(endpoint).list_buckets()["Buckets"]]
    assert "nor-this-one" not in there
    with app.app_context():
        db.engine.dispose()


@pytest.mark.grown_up
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("key", "secret", "words"),
    [
        ("", "", "There are no credentials for the storage service. Set AWS_ACCESS_KEY_ID"),
        (s3_service.KEY, "", "There are no credentials for the storage service."),
        (s3_service.KEY, "wrong", "Correct AWS_SECRET_ACCESS_KEY"),
        ("nobody", s3_service.SECRET, "does not know this access key"),
    ],
)
def test_credentials_that_the_service_refuses(
    bureau: Bureau, start: str, key: str, secret: str, words: str
) -> None:
    given = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    url = s3_service.new_place()
    code, said = begin(bureau, start, {**given, "ZHENGLIAN_STORE_URL": url})
    assert (code, words in said) == (2, True), said
