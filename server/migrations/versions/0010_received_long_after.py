"""What was recorded before a day is found without reading past all that came in since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_exhibits_received_long_after",
        "exhibits",
        ["position", "recorded_at"],
        sqlite_where=sa.text("julianday(received_at) - julianday(recorded_at) > 1"),
        postgresql_where=sa.text("received_at - recorded_at > interval '1 day'"),
    )


def downgrade() -> None:
    op.drop_index("ix_exhibits_received_long_after", "exhibits")
