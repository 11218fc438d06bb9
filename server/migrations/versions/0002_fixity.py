"""When every original was last read, and what that showed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from evidence.base import UtcDateTime
from server.migrations.losses import refuse_to_lose

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_FIXITY = sa.Enum(
    "UNCHECKED", "INTACT", "ALTERED", "UNREADABLE", name="fixity", native_enum=False, length=20
)


def upgrade() -> None:
    # Columns are added one by one: making the table anew would lose its triggers.
    op.add_column("exhibits", sa.Column("last_read_at", UtcDateTime(), nullable=True))
    op.add_column(
        "exhibits", sa.Column("fixity", _FIXITY, server_default="UNCHECKED", nullable=False)
    )
    # The sealing read every byte back.
    op.execute("UPDATE exhibits SET last_read_at = sealed_at")
    op.create_index("ix_exhibits_fixity", "exhibits", ["fixity", "position"])
    op.create_index("ix_exhibits_last_read_at", "exhibits", ["state", "last_read_at"])


def downgrade() -> None:
    # Later, the row would hide what the log says; and what is set aside is never read again.
    refuse_to_lose(exhibits="fixity IN ('ALTERED', 'UNREADABLE')")
    op.drop_index("ix_exhibits_last_read_at", "exhibits")
    op.drop_index("ix_exhibits_fixity", "exhibits")
    op.drop_column("exhibits", "fixity")
    op.drop_column("exhibits", "last_read_at")
