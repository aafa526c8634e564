"""Mark private requests, which only their requester may see."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_private_results"
down_revision = "0006_shares"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("private", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("runs", "private")
