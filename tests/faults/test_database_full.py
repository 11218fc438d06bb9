"""A PostgreSQL whose disk is full, fails, or that only reads: whoever asks is told so, nothing is
lost, and no process of ours has to be restarted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NoReturn

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tests import databases
from tests.api.tus import UPLOADS, Answer
from tests.bureau import Bureau
from tests.faults.own_services import cluster_on, in_cluster
from tests.faults.people import People
from tests.faults.small_disk import (
    MIB,
    FailingDisk,
    SmallDisk,
    failing_disk,
    place_for_all,
    small_disk,
)
from tests.faults.test_kill import until
from tests.live import LiveServer

__all__ = ["failing_disk", "place_for_all", "small_disk"]

pytestmark = pytest.mark.grown_up
# More rows than there is room for in the pages that an empty bureau's tables have.
_ROWS = 500


@pytest.fixture
def serve(bureau: Bureau) -> Iterator[Callable[[databases.Cluster], People]]:
    """Call it for people at a server over that cluster, and what they have brought so far."""
    with ExitStack() as stack:

        def begin(cluster: databases.Cluster) -> People:
            store = {"ZHENGLIAN_STORE_URL": (bureau.data / "store").as_uri()}
            server = LiveServer(bureau, store | in_cluster(bureau, cluster))
            stack.callback(server.stop)
            server.start_brisk_worker()
            server.start()
            people = People(server)
            people.begin(100_000, 100_000)
            people.begin(3 * MIB, MIB)
            return people

        yield begin


@contextmanager
def administration(cluster: databases.Cluster) -> Iterator[Connection]:
    engine = create_engine(cluster.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def asked_until_refused(people: People) -> Answer:
    """The first refusal. What was promised before it counts as promised."""
    for _ in range(_ROWS):
        answer = people.tus.ask("POST", UPLOADS, {"Upload-Length": "9"})
        if answer.status != 201:
            return answer
    raise AssertionError("nothing was refused")


def write_log_without_end(connection: Connection) -> NoReturn:
    """File after file of the database's own log."""
    while True:
        connection.execute(text("SELECT pg_logical_emit_message(false, 'x', 'x')"))
        connection.execute(text("SELECT pg_switch_wal()"))


def gone_on(people: People) -> None:
    people.finish_all()
    assert people.unready() == {}
    people.assert_nothing_is_lost()


def test_a_database_without_room_says_so_and_goes_on_once_it_has_some(
    small_disk: SmallDisk, serve: Callable[[databases.Cluster], People]
) -> None:
    with cluster_on(small_disk) as cluster:
        people = serve(cluster)
        last = people.begin(MIB, MIB - 1)
        with small_disk.full():
            people.assert_refused_for_lack_of_room(asked_until_refused(people))
            people.assert_refused_for_lack_of_room(people.send(last, 1))
            assert "No space left" in people.unready()["database"]
        assert people.unready() == {}
        gone_on(people)


def test_a_database_that_ends_for_want_of_room_goes_on_once_it_is_started_again(
    small_disk: SmallDisk, serve: Callable[[databases.Cluster], People]
) -> None:
    """Its own log finds no room for its next file: then it panics, and stays down."""
    with cluster_on(small_disk) as cluster:
        people = serve(cluster)
        with small_disk.full(), administration(cluster) as connection:
            with pytest.raises(DBAPIError):
                write_log_without_end(connection)
            until(lambda: "database system is shut down" in (cluster.folder / "log").read_text())
            people.assert_told_to_try_again(people.tus.ask("POST", UPLOADS, {"Upload-Length": "9"}))
            people.assert_told_to_try_again(people.send(people.storm.told[-1], MIB))
            assert "database" in people.unready()
        cluster.revive()
        gone_on(people)


def test_a_database_whose_rows_alone_are_on_a_disk_that_failed_says_so_and_has_kept_them(
    failing_disk: FailingDisk, serve: Callable[[databases.Cluster], People]
) -> None:
    """It lives on, commits what its pages have room for, and refuses the rest: as if by a right."""
    with cluster_on(failing_disk, rows_alone=True) as cluster:
        people = serve(cluster)
        failing_disk.fail()
        people.assert_told_to_try_again(asked_until_refused(people))
        assert "Read-only file system" in (cluster.folder / "log").read_text()
        cluster.stop(wait=False)
        failing_disk.mend()
        cluster.revive()
        gone_on(people)


def test_a_database_that_only_reads_is_asked_again_later(
    small_disk: SmallDisk, serve: Callable[[databases.Cluster], People]
) -> None:
    """As a standby does, until it is promoted."""
    with cluster_on(small_disk) as cluster:
        people = serve(cluster)
        with administration(cluster) as connection:
            connection.execute(text("ALTER SYSTEM SET default_transaction_read_only = on"))
            connection.execute(text("SELECT pg_reload_conf()"))
            until(lambda: "database" in people.unready())
            people.assert_told_to_try_again(people.tus.ask("POST", UPLOADS, {"Upload-Length": "9"}))
            people.assert_told_to_try_again(people.send(people.storm.told[-1], MIB))
            assert "read-only" in people.unready()["database"]
            connection.execute(text("SET default_transaction_read_only = off"))
            connection.execute(text("ALTER SYSTEM RESET default_transaction_read_only"))
            connection.execute(text("SELECT pg_reload_conf()"))
        until(lambda: people.unready() == {})
        gone_on(people)
