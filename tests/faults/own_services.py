"""PostgreSQL, Redis and S3 of one test's own, on disks that fill up or fail."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests import databases, s3_service
from tests.bureau import Bureau
from tests.faults.mounting import Mounted


@contextmanager
def cluster_on(disk: Mounted, *, rows_alone: bool = False) -> Iterator[databases.Cluster]:
    """A PostgreSQL on that disk; with `rows_alone` its own log is elsewhere. Started."""
    if os.geteuid() == 0:
        os.chown(disk.path, pwd.getpwnam("postgres").pw_uid, -1)
    cluster = databases.Cluster(
        within=disk.entering_as_oneself,
        data=None if rows_alone else disk.inside / "postgresql",
        fsync="on",
        synchronous_commit="on",
        full_page_writes="on",
    )
    try:
        cluster.start()
        if rows_alone:
            _have_rows_on(cluster, disk)
        yield cluster
    finally:
        cluster.remove()


def _have_rows_on(cluster: databases.Cluster, disk: Mounted) -> None:
    """Every database that is made from now on."""
    rows = disk.path / "rows"
    rows.mkdir()
    os.chown(rows, disk.path.stat().st_uid, -1)
    engine = create_engine(cluster.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE TABLESPACE rows LOCATION '{disk.inside / 'rows'}'"))
        connection.execute(text("ALTER DATABASE template1 SET TABLESPACE rows"))


def in_cluster(bureau: Bureau, cluster: databases.Cluster) -> dict[str, str]:
    """The setting of a server whose rows are there."""
    return {"ZHENGLIAN_DATABASE_URL": databases.dump_into(bureau.database, cluster.url)}


@contextmanager
def weed_on(disk: Mounted) -> Iterator[s3_service.SeaweedServer]:
    """An S3 service whose objects are on that disk. Started."""
    (disk.path / "s3").mkdir()
    weed = s3_service.SeaweedServer(within=disk.entering, data=disk.inside / "s3")
    # Its index is elsewhere: where that could not be written once, only a restart mends it.
    (weed.folder / "filer.toml").write_text(
        f'[leveldb2]\nenabled = true\ndir = "{weed.folder / "index"}"\n'
    )
    try:
        weed.start()
        yield weed
    finally:
        weed.remove()
