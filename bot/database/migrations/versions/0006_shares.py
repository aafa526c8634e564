"""Store the channel that a result is shared to, and whether the share shows the prompt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_shares"
down_revision = "0005_answers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("shared_to", sa.BigInteger(), nullable=True))
    op.add_column(
        "deliveries", sa.Column("with_prompt", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("with_prompt")
        deliveries.drop_column("shared_to")
