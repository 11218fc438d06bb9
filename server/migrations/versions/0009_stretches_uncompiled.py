"""On PostgreSQL, texts are cut into stretches without compiling that to machine code first."""

from __future__ import annotations

from alembic import op

from evidence.exhibits.text_search import POSTGRESQL_V2

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for statement in POSTGRESQL_V2:
            op.execute(statement)


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER FUNCTION grams(text, text) RESET jit")
