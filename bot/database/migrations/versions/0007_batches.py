"""Several runs of one request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("batch_key", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("batch_index", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("batch_size", sa.Integer(), server_default="1", nullable=False))
    op.execute("UPDATE runs SET batch_key = key")
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.alter_column("batch_key", existing_type=sa.String(length=20), nullable=False)
        batch_op.drop_index("runs_interaction")
        batch_op.create_index("runs_interaction", ["interaction_id", "batch_index"], unique=True)
        batch_op.create_index("runs_batch", ["batch_key", "batch_index"], unique=False)


def downgrade() -> None:
    op.execute("UPDATE runs SET interaction_id = NULL WHERE batch_index > 0")
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index("runs_batch")
        batch_op.drop_index("runs_interaction")
        batch_op.drop_column("batch_size")
        batch_op.drop_column("batch_index")
        batch_op.drop_column("batch_key")
        batch_op.create_index("runs_interaction", ["interaction_id"], unique=True)
