"""Originals that somebody asked to be read again, kept until they were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from evidence.base import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "readings_asked",
        sa.Column("exhibit_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["exhibit_id"], ["exhibits.id"], name="fk_readings_asked_exhibit_id_exhibits"
        ),
        sa.PrimaryKeyConstraint("exhibit_id", name="pk_readings_asked"),
    )
    op.create_index("ix_readings_asked_asked_at", "readings_asked", ["asked_at"])


def downgrade() -> None:
    # Each is read in its turn, and who asked may ask again.
    op.drop_table("readings_asked")
