"""Add the default presets of channels, and store the name of the default preset that a request used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_channel_defaults"
down_revision = "0007_private_results"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "channel_defaults",
        sa.Column("channel_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("folded", sa.String(length=96), nullable=False),
        sa.PrimaryKeyConstraint("channel_id"),
    )
    op.create_index("channel_defaults_preset", "channel_defaults", ["guild_id", "folded"], unique=False)
    op.add_column("runs", sa.Column("default_preset", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "default_preset")
    op.drop_table("channel_defaults")
