"""Store the facts that decide whether a waiting run may start, and index runs by when they were submitted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_judged_starts"
down_revision = "0002_press"
branch_labels = None
depends_on = None

_COLUMNS = ("expected_gpu", "requester_roles", "waiting_code", "waiting_params")


def upgrade() -> None:
    # Nullable columns without a default, so that no row is rewritten.
    op.add_column("runs", sa.Column("expected_gpu", sa.String(length=100), nullable=True))
    op.add_column("runs", sa.Column("requester_roles", sa.JSON(), nullable=True))
    op.add_column("runs", sa.Column("waiting_code", sa.String(length=64), nullable=True))
    op.add_column("runs", sa.Column("waiting_params", sa.JSON(), nullable=True))
    op.create_index("runs_submitted", "runs", ["submitted_at"], unique=False)


def downgrade() -> None:
    op.drop_index("runs_submitted", table_name="runs")
    with op.batch_alter_table("runs") as batch:
        for column in _COLUMNS:
            batch.drop_column(column)
