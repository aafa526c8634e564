"""An index to the status messages that are still there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_THERE = sa.text("status_message_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "runs_status_message", "runs", ["status_message_id"], sqlite_where=_THERE, postgresql_where=_THERE
    )


def downgrade() -> None:
    op.drop_index("runs_status_message", "runs")
