"""Store who deleted a copy of a result. A copy that a moderator deleted can't be posted again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_deleted_copies"
down_revision = "0011_batches_and_defaults"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("deleted_by", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("deliveries", "deleted_by")
