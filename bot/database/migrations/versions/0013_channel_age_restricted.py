"""Store whether the channel of a request was age-restricted. Earlier runs count as requested elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013_channel_age_restricted"
down_revision = "0012_deleted_copies"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "runs",
        sa.Column("channel_age_restricted", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("runs", "channel_age_restricted")
