"""The schema of the first version. A new database gets its tables from `bot.database.tables`."""

from __future__ import annotations

revision = "v1_001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
