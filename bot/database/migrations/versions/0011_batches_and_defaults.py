"""Store the batch of an audit entry, and who set a channel's default preset and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_batches_and_defaults"
down_revision = "0010_erased_at"
branch_labels = None
depends_on = None

_runs = sa.table(
    "runs",
    sa.column("key", sa.String()),
    sa.column("batch_key", sa.String()),
    sa.column("batch_size", sa.Integer()),
    sa.column("private", sa.Boolean()),
)
_audit = sa.table(
    "audit",
    sa.column("action", sa.String()),
    sa.column("run_key", sa.String()),
    sa.column("batch_key", sa.String()),
)
_WHERE = sa.text("batch_key IS NOT NULL")
_OF_A_BATCH = ("request", "outcome", "approve", "reject", "expire", "cancel", "delete")


def upgrade() -> None:
    op.add_column("channel_defaults", sa.Column("set_at", sa.DateTime(), nullable=True))
    op.add_column("channel_defaults", sa.Column("set_by", sa.BigInteger(), nullable=True))
    op.create_index("channel_defaults_setter", "channel_defaults", ["set_by"], unique=False)
    op.add_column("audit", sa.Column("batch_key", sa.String(length=20), nullable=True))
    batch = sa.select(_runs.c.batch_key).where(_runs.c.key == _audit.c.run_key).scalar_subquery()
    of_several = sa.select(_runs.c.key).where(_runs.c.batch_size > 1)
    # Moderators open private results one by one, so each outcome keeps its line.
    has_own_line = sa.and_(
        _audit.c.action == "outcome", _audit.c.run_key.in_(sa.select(_runs.c.key).where(_runs.c.private))
    )
    op.execute(
        _audit.update()
        .where(_audit.c.action.in_(_OF_A_BATCH), _audit.c.run_key.in_(of_several), ~has_own_line)
        .values(batch_key=batch)
    )
    op.create_index("audit_batch", "audit", ["batch_key"], sqlite_where=_WHERE, postgresql_where=_WHERE)


def downgrade() -> None:
    op.drop_index("audit_batch", table_name="audit")
    op.drop_column("audit", "batch_key")
    op.drop_index("channel_defaults_setter", table_name="channel_defaults")
    op.drop_column("channel_defaults", "set_by")
    op.drop_column("channel_defaults", "set_at")
