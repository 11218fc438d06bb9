"""Jobs that failed, kept until they succeed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from evidence.base import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_troubles",
        sa.Column("job", sa.String(40), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("job", "subject_id", name="pk_job_troubles"),
    )
    op.create_index("ix_job_troubles_last_at", "job_troubles", ["last_at"])


def downgrade() -> None:
    # What fails still is found by the sweep, and noted again.
    op.drop_table("job_troubles")
