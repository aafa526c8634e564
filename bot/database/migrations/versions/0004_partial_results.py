"""Mark runs that made outputs without succeeding. Store a failure's log and when outputs were first seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_partial_results"
down_revision = "0003_judged_starts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("failure_log", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("partial", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("runs", sa.Column("outputs_since", sa.DateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "outputs_since")
    op.drop_column("runs", "partial")
    op.drop_column("runs", "failure_log")
