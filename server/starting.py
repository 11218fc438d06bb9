"""What must hold before the first start, the web or the worker begins; what does not, in words."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from evidence.errors import CustodyError
from evidence.sqlite import prepare
from server import own_log
from server.config import ConfigurationError, Settings


def require(settings: Settings) -> None:
    """See that what is there is this installation's. Raises ConfigurationError."""
    if not is_there(settings.database_url):
        return
    engine = prepare(create_engine(settings.database_url, poolclass=NullPool))
    try:
        with engine.connect() as connection:
            words = own_log.fault(connection, settings)
    except CustodyError as error:
        raise ConfigurationError(str(error)) from None
    if words:
        raise ConfigurationError(words)


def is_there(database_url: str) -> bool:
    """False for a SQLite file that asking would make."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        return True
    name = (url.database or "").removeprefix("file:")
    return Path(name).is_file()
