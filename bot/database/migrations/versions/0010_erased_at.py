"""Store when the requester erased a run's contents. A run without inputs isn't always an erased one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_erased_at"
down_revision = "0009_durations"
branch_labels = None
depends_on = None

_runs = sa.table(
    "runs",
    sa.column("requester_id", sa.BigInteger()),
    sa.column("created_at", sa.DateTime()),
    sa.column("ended_at", sa.DateTime()),
    sa.column("inputs", sa.JSON()),
    sa.column("prompt", sa.Text()),
    sa.column("seed", sa.BigInteger()),
    sa.column("requester_roles", sa.JSON()),
    sa.column("erased_at", sa.DateTime()),
)
_audit = sa.table(
    "audit",
    sa.column("at", sa.DateTime()),
    sa.column("subject_id", sa.BigInteger()),
    sa.column("action", sa.String()),
)


def upgrade() -> None:
    op.add_column("runs", sa.Column("erased_at", sa.DateTime(), nullable=True))
    ended_at = sa.func.coalesce(_runs.c.ended_at, _runs.c.created_at)
    # The audit entry of the first erasure after the end; the retention period may have removed it.
    recorded = (
        sa.select(sa.func.min(_audit.c.at))
        .where(
            _audit.c.subject_id == _runs.c.requester_id,
            _audit.c.action == "privacy",
            _audit.c.at >= ended_at,
        )
        .scalar_subquery()
    )
    # An erasure removes the requester's roles, too, which every request has since 0003. An older request
    # without inputs counts as erased, because a repetition with the defaults would cost money.
    emptied = sa.and_(
        sa.cast(_runs.c.inputs, sa.Text()) == "{}",
        _runs.c.prompt.is_(None),
        _runs.c.seed.is_(None),
        _runs.c.requester_roles.is_(None),
    )
    op.execute(_runs.update().where(emptied).values(erased_at=sa.func.coalesce(recorded, ended_at)))


def downgrade() -> None:
    op.drop_column("runs", "erased_at")
