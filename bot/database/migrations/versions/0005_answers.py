"""Store when to ask Discord whether a request was answered, and the id of the claim that submits a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_answers"
down_revision = "0004_partial_results"
branch_labels = None
depends_on = None

_WHERE = sa.text("answer_due_at IS NOT NULL")


def upgrade() -> None:
    # NULL for the existing runs: the earlier version has answered them, or has given up asking.
    op.add_column("runs", sa.Column("answer_due_at", sa.DateTime(), nullable=True))
    op.add_column("runs", sa.Column("claim_id", sa.String(length=32), nullable=True))
    op.create_index(
        "runs_answer_due", "runs", ["answer_due_at"], sqlite_where=_WHERE, postgresql_where=_WHERE
    )


def downgrade() -> None:
    op.drop_index("runs_answer_due", "runs")
    op.drop_column("runs", "claim_id")
    op.drop_column("runs", "answer_due_at")
