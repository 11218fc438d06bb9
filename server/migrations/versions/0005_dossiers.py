"""Dossiers, and who signed for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from evidence.base import UtcDateTime
from server.migrations.losses import refuse_to_lose

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STATE = sa.Enum(
    "PREPARING", "READY", "FAILED", name="dossierstate", native_enum=False, length=20
)


def upgrade() -> None:
    op.create_table(
        "dossiers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(20), nullable=False),
        sa.Column("state", _STATE, nullable=False),
        sa.Column("exhibit_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor_type", sa.String(20), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_via", sa.String(20), nullable=False),
        sa.Column("actor_name", sa.String(100), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("payload", sa.String(64), nullable=True),
        sa.Column("index", sa.String(64), nullable=True),
        sa.Column("manifest_sha256", sa.String(64), nullable=True),
        sa.Column("exhibits", sa.Integer(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", UtcDateTime(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(exhibit_id IS NULL) <> (case_id IS NULL)", name="ck_dossiers_one_of"
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_dossiers_case_id_cases"),
        sa.ForeignKeyConstraint(
            ["exhibit_id"], ["exhibits.id"], name="fk_dossiers_exhibit_id_exhibits"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_dossiers"),
        sa.UniqueConstraint("label", name="uq_dossiers_label"),
    )
    for column in ("case_id", "exhibit_id", "requested_at"):
        op.create_index(f"ix_dossiers_{column}", "dossiers", [column])
    op.create_table(
        "dossier_receipts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dossier_id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.String(100), nullable=False),
        sa.Column("organisation", sa.String(200), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dossier_id"], ["dossiers.id"], name="fk_dossier_receipts_dossier_id_dossiers"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_dossier_receipts"),
    )
    op.create_index("ix_dossier_receipts_dossier_id", "dossier_receipts", ["dossier_id"])


def downgrade() -> None:
    refuse_to_lose("dossiers", "dossier_receipts")
    op.drop_table("dossier_receipts")
    op.drop_table("dossiers")
