"""Alembic's entry: one connection, and one transaction for the whole way, up or down."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine

from evidence.base import Base
from evidence.sqlite import prepare
from server import config

engine = context.config.attributes.get("engine") or prepare(
    create_engine(config.read().database_url)
)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        # What fails or is refused on its way leaves the version that the database was of. SQLite
        # can, since prepare() begins every transaction by itself.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
