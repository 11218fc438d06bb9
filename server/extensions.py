"""What one application has one of: database, store, signing key, API description, translations."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from flask import Flask, current_app
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import sessionmaker

import evidence.cases.models
import evidence.custody.guards
import evidence.dossier.models
import evidence.exhibits.text_search
import evidence.inspections.models
import evidence.uploads.models  # noqa: F401  (every table is known before the first query)
from evidence.base import Base
from evidence.custody.keys import KeyFile, load_or_create, signer_of
from evidence.custody.note import Signer
from evidence.errors import CustodyError
from evidence.sqlite import prepare
from evidence.storage.falling_through import FallingThrough
from evidence.storage.filesystem import FilesystemStore
from evidence.storage.memory import MemoryStore
from evidence.storage.port import Store
from server import own_log
from server.config import Settings

_OURS = "zhenglian"

# Objects stay readable after the commit: the response is built then, without asking again.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
babel = Babel()


# A connection for each thread at most; one that the database has closed is noticed before its use.
# Where the network is cut without a word, whoever waits is told within a minute: what was sent is
# not acknowledged for 30 s, or an answer is awaited and nothing moves for 30 + 3 x 10 s.
_POSTGRESQL = {
    "pool_size": 8,
    "max_overflow": 48,
    "pool_timeout": 10,
    "pool_pre_ping": True,
    "connect_args": {
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    },
}


def settings() -> Settings:
    found: Settings = current_app.extensions[_OURS]["settings"]
    return found


def store() -> Store:
    """The one store of this application."""
    found: Store = current_app.extensions[_OURS]["store"]
    return found


def log_key() -> KeyFile:
    """The log's key, named by the log's origin; made where nothing is signed yet.

    Raises CustodyError.
    """
    ours = current_app.extensions[_OURS]
    if "log_key" not in ours:
        chosen = settings()
        if not own_log.is_there(chosen.log_key_file):
            # A connection of its own: whoever asks may be in the middle of a transaction.
            with db.engine.connect() as connection:
                if words := own_log.fault(connection, chosen):
                    raise CustodyError(words)
        ours["log_key"] = load_or_create(chosen.log_key_file, chosen.log_origin)
    found: KeyFile = ours["log_key"]
    return found


def signer() -> Signer:
    return signer_of(log_key())


def log_origin() -> str:
    return settings().log_origin


def sessions() -> sessionmaker:
    """For loops that manage their own transactions (the sequencer): plain sessions."""
    ours = current_app.extensions[_OURS]
    if "sessions" not in ours:
        ours["sessions"] = sessionmaker(db.engine, expire_on_commit=False)
    found: sessionmaker = ours["sessions"]
    return found


def open_store(chosen: Settings) -> Store:
    """The store that the settings name; while it is moved, over the one that it was."""
    if not chosen.store_old_url:
        return open_one_store(chosen, chosen.store_url)
    return FallingThrough(
        open_one_store(chosen, chosen.store_url), open_one_store(chosen, chosen.store_old_url)
    )


def open_one_store(chosen: Settings, url: str) -> Store:
    """The store at `url`, and nothing behind it."""
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return MemoryStore()
    if parts.scheme == "s3":
        # 30 MB of every web process that needs no S3.
        from evidence.storage.s3 import Lock, S3Store

        days = chosen.store_lock_days
        lock = Lock(days, chosen.store_lock_mode) if days else None
        return S3Store(url, chosen.data / "tmp", sm3=chosen.sm3, lock=lock)
    return FilesystemStore(Path(unquote(parts.path)), sm3=chosen.sm3)


def _end_session(_: BaseException | None) -> None:
    """End a request's session, also where the database went after the answer was made.

    What is open then is a reading transaction: the answer is right, whatever becomes of it.
    """
    try:
        db.session.remove()
    except DBAPIError:
        db.session().invalidate()
        db.session.remove()


def init(app: Flask, chosen: Settings) -> None:
    """Give `app` its database, store and settings."""
    app.extensions[_OURS] = {"settings": chosen, "store": open_store(chosen)}
    app.config["SQLALCHEMY_DATABASE_URI"] = chosen.database_url
    if chosen.database_url.startswith("postgresql"):
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _POSTGRESQL
    db.init_app(app)
    app.teardown_appcontext(_end_session)  # before the extension's own, which would raise
    with app.app_context():
        prepare(db.engine)
        # What was asked with stays out of errors, and so out of the log.
        db.engine.hide_parameters = True
