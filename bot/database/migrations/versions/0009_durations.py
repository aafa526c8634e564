"""Index the runs that succeeded, for the medians of their durations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_durations"
down_revision = "0008_channel_defaults"
branch_labels = None
depends_on = None

_WHERE = sa.text("state = 'succeeded'")


def upgrade() -> None:
    op.create_index(
        "runs_succeeded",
        "runs",
        ["deployment", sa.text("coalesce(expected_gpu, '')"), "ended_at"],
        sqlite_where=_WHERE,
        postgresql_where=_WHERE,
    )


def downgrade() -> None:
    op.drop_index("runs_succeeded", "runs")
