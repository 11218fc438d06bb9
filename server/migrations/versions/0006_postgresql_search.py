"""On PostgreSQL the index of words that SQLite has had from the first."""

from __future__ import annotations

from alembic import op

from evidence.exhibits.text_search import POSTGRESQL_V1, POSTGRESQL_V1_DROPS

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for statement in POSTGRESQL_V1:
            op.get_bind().exec_driver_sql(statement)
        op.execute(
            "INSERT INTO exhibit_texts SELECT position, content, flags FROM exhibit_documents"
        )


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for statement in POSTGRESQL_V1_DROPS:
            op.get_bind().exec_driver_sql(statement)
