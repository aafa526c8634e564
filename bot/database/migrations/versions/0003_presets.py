"""Presets, and the way to what a server has running and waiting."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "presets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=1), nullable=False),
        sa.Column("holder_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("folded", sa.String(length=96), nullable=False),
        sa.Column("deployment", sa.String(length=64), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("gpu", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("presets", schema=None) as batch_op:
        batch_op.create_index("presets_name", ["holder", "holder_id", "folded"], unique=True)
        batch_op.create_index("presets_maker", ["created_by"], unique=False)
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index("runs_guild_state", ["guild_id", "state", "created_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index("runs_guild_state")
    with op.batch_alter_table("presets", schema=None) as batch_op:
        batch_op.drop_index("presets_maker")
        batch_op.drop_index("presets_name")
    op.drop_table("presets")
