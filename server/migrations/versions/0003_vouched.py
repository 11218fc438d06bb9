"""What witnesses and time-stamping authorities say of the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from evidence.base import UtcDateTime
from server.migrations.losses import refuse_to_lose

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_kept_checkpoints"),
    )
    op.create_index("ix_kept_checkpoints_signed_at", "kept_checkpoints", ["signed_at"])
    op.create_table(
        "cosignatures",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("witness", sa.String(200), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["size"], ["kept_checkpoints.size"], name="fk_cosignatures_size_kept_checkpoints"
        ),
        sa.PrimaryKeyConstraint("size", "witness", name="pk_cosignatures"),
    )
    op.create_table(
        "stamps",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("authority", sa.String(300), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["size"], ["kept_checkpoints.size"], name="fk_stamps_size_kept_checkpoints"
        ),
        sa.PrimaryKeyConstraint("size", "authority", name="pk_stamps"),
    )
    op.create_table(
        "correspondence",
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("tried_at", UtcDateTime(), nullable=True),
        sa.Column("silent_since", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("refused_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_correspondence"),
    )


def downgrade() -> None:
    refuse_to_lose("kept_checkpoints", "cosignatures", "stamps")
    # How it stands with each is found out again by asking; a witness repeats its refusal.
    op.drop_table("correspondence")
    op.drop_table("stamps")
    op.drop_table("cosignatures")
    op.drop_index("ix_kept_checkpoints_signed_at", "kept_checkpoints")
    op.drop_table("kept_checkpoints")
