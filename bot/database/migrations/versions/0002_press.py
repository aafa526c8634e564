"""Store the pressed button, so that a double press starts only one run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_press"
down_revision = "0001_initial"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("press", sa.String(length=32), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("press")
