"""Alembic's entry: one connection, one transaction a migration."""

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
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
