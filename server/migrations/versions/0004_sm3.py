"""SM3 beside SHA-256."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("exhibits", sa.Column("sm3", sa.String(64), nullable=True))
    op.add_column("uploads", sa.Column("sm3_claim", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("uploads", "sm3_claim")
    op.drop_column("exhibits", "sm3")
