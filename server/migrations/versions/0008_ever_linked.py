"""Every exhibit that a case ever had is found without reading all links."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_exhibit_links_case", "exhibit_links", ["case_id", "exhibit_id"])


def downgrade() -> None:
    op.drop_index("ix_exhibit_links_case", "exhibit_links")
