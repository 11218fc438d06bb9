"""SM3 beside SHA-256."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from server.migrations.losses import refuse_to_lose

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("exhibits", sa.Column("sm3", sa.String(64), nullable=True))
    op.add_column("uploads", sa.Column("sm3_claim", sa.String(64), nullable=True))


def downgrade() -> None:
    # Later, the row would contradict the log; and a claim would no longer be held against.
    refuse_to_lose(exhibits="sm3 IS NOT NULL", uploads="sm3_claim IS NOT NULL")
    op.drop_column("uploads", "sm3_claim")
    op.drop_column("exhibits", "sm3")
