"""What must hold before the first start, the web or the worker begins; what does not, in words.

The status tells systemd what to do: 2 is for a person to put right; 1 passes by itself, and the
start is to be tried again.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from evidence.errors import (
    CustodyError,
    StorageFull,
    StorageMisconfigured,
    StorageUnavailable,
)
from evidence.sqlite import prepare
from evidence.storage.filesystem import FilesystemStore
from server import misspelt, own_log
from server.config import ConfigurationError, Settings

log = logging.getLogger("zhenglian.start")

# What PostgreSQL, its library, the resolver and SQLite say where asking again is of no use. The
# library hands out no SQLSTATE of a connection that was refused.
_WRONG = re.compile(
    r'authentication failed|(database|role) ".*" does not exist|no pg_hba.conf entry'
    r"|no password supplied|not permitted to log in|permission denied|server does not support SSL"
    r"|Name or service not known|No address associated|unable to open database file"
    r"|readonly database|not a database"
)
_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT}


class Away(Exception):
    """A service cannot be reached just now; the message says which, and what was said."""


def require(settings: Settings) -> None:
    """See that database, log and store are this installation's, and as they have to be.

    Raises ConfigurationError, Away. A store that is merely away keeps nothing from beginning:
    uploads wait for it, and /readyz says so.
    """
    _require_database(settings)
    for name, url in (
        ("ZHENGLIAN_STORE_URL", settings.store_url),
        ("ZHENGLIAN_STORE_OLD_URL", settings.store_old_url),
    ):
        try:
            _ask_store(url)
        except StorageMisconfigured as error:
            raise ConfigurationError(f"{name}={url.partition('?')[0]}: {error}") from None
        except (StorageUnavailable, StorageFull):
            continue


def _require_database(settings: Settings) -> None:
    try:
        with refused_in_words():
            if not is_there(settings.database_url):
                return
            # Without an encoding of its own, a database in SQL_ASCII answers in bytes.
            patience = (
                {"connect_timeout": 5, "client_encoding": "utf8"}
                if settings.database_url.startswith("postgresql")
                else {}
            )
            engine = create_engine(settings.database_url, poolclass=NullPool, connect_args=patience)
            with prepare(engine).connect() as connection:
                words = _encoding(connection) or own_log.fault(connection, settings)
    except CustodyError as error:
        raise ConfigurationError(str(error)) from None
    if words:
        raise ConfigurationError(words)


def _encoding(connection: Connection) -> str:
    if connection.dialect.name != "postgresql":
        return ""
    if connection.scalar(text("SHOW server_encoding")) == "UTF8":
        return ""
    return (
        "The database of ZHENGLIAN_DATABASE_URL is not in UTF-8. Make another: createdb "
        "--encoding UTF8 --template template0."
    )


def is_there(database_url: str) -> bool:
    """False for a SQLite file that asking would make. Raises ConfigurationError."""
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "ZHENGLIAN_DATABASE_URL cannot be read. It is postgresql://USER:PASSWORD@HOST/DATABASE;"
            " where the password has a % or an @, write it as %25 or %40."
        ) from None
    if url.get_backend_name() != "sqlite":
        return True
    return Path((url.database or "").removeprefix("file:")).is_file()


@contextmanager
def refused_in_words() -> Iterator[None]:
    """Turn what the database refuses into ConfigurationError or Away; other errors stay theirs."""
    try:
        yield
    except DBAPIError as error:
        said = " ".join(str(error.orig).split())
        if _WRONG.search(said):
            raise ConfigurationError(
                f"The database of ZHENGLIAN_DATABASE_URL refuses: {said}. Correct the setting, or "
                "give the account what it lacks."
            ) from None
        if isinstance(error, OperationalError | InterfaceError):
            raise Away(
                f"The database of ZHENGLIAN_DATABASE_URL cannot be used just now: {said}."
            ) from None
        raise


def _ask_store(url: str) -> None:
    """Raises StorageMisconfigured, StorageUnavailable, StorageFull."""
    parts = urlsplit(url)
    if parts.scheme == "s3":
        from evidence.storage.s3_bucket import Bucket

        Bucket(url, attempts=1).answers()
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        try:
            FilesystemStore(folder).check()
        except StorageUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _NOT_OURS:
                raise StorageMisconfigured(
                    f"The folder {folder} cannot be made or written ({cause.strerror}). "
                    "Give one that this account owns."
                ) from None
            raise


@contextmanager
def told() -> Iterator[None]:
    """End the process where its start is refused: a sentence on its error output, and the status.

    What is set and is no setting is told first. Raises SystemExit.
    """
    for line in misspelt.warnings(os.environ):
        log.warning(line)
    try:
        with refused_in_words():
            yield
    except (ConfigurationError, Away) as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(1 if isinstance(error, Away) else 2)
