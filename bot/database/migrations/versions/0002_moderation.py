"""Moderation: rules, blocks, the record, and what the rules make of a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("run_key", sa.String(length=20), nullable=True),
        sa.Column("deployment", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("audit_guild", ["guild_id", "at"], unique=False)
        batch_op.create_index("audit_subject", ["guild_id", "subject_id", "at"], unique=False)
        batch_op.create_index("audit_person", ["subject_id", "at"], unique=False)

    op.create_table(
        "blocks",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("until", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "user_id"),
    )
    op.create_table(
        "server_rules",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("updated_by", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("guild_id"),
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("person_limit", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("server_limit", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("weight", sa.Float(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("reserved_seconds", sa.Float(), server_default="60", nullable=False))
        batch_op.add_column(sa.Column("charged_seconds", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("review_channel_id", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("report_channel_id", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("requester_joined_at", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("cancelled_by", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("decided_by", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("decided_at", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("spoiler", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("deleted_at", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("interaction_id", sa.BigInteger(), nullable=True))
        batch_op.create_index("runs_interaction", ["interaction_id"], unique=True)
        batch_op.create_index("runs_guild", ["guild_id", "created_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index("runs_guild")
        batch_op.drop_index("runs_interaction")
        batch_op.drop_column("interaction_id")
        batch_op.drop_column("deleted_at")
        batch_op.drop_column("spoiler")
        batch_op.drop_column("decided_at")
        batch_op.drop_column("decided_by")
        batch_op.drop_column("cancelled_by")
        batch_op.drop_column("requester_joined_at")
        batch_op.drop_column("report_channel_id")
        batch_op.drop_column("review_channel_id")
        batch_op.drop_column("charged_seconds")
        batch_op.drop_column("reserved_seconds")
        batch_op.drop_column("weight")
        batch_op.drop_column("server_limit")
        batch_op.drop_column("person_limit")

    op.drop_table("server_rules")
    op.drop_table("blocks")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index("audit_person")
        batch_op.drop_index("audit_subject")
        batch_op.drop_index("audit_guild")

    op.drop_table("audit")
