"""Rename columns of `messages`: `kind` to `purpose`, and `form` to `rendering`, also in stored parts."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "v1_002"
down_revision = "v1_001"
branch_labels = None
depends_on = None
# In the texts of JSON, quotes are escaped, so only keys match.
_RENAME_KEYS = {
    "sqlite": "UPDATE messages "
    "SET posted = replace(posted, :old, :new), attempt = replace(attempt, :old, :new)",
    "postgresql": "UPDATE messages SET posted = CAST(replace(CAST(posted AS TEXT), :old, :new) AS JSON), "
    "attempt = CAST(replace(CAST(attempt AS TEXT), :old, :new) AS JSON)",
}


def upgrade() -> None:
    op.execute("ALTER TABLE messages RENAME COLUMN kind TO purpose")
    op.execute("ALTER TABLE messages RENAME COLUMN form TO rendering")
    _rename_keys("form", "rendering")


def downgrade() -> None:
    op.execute("ALTER TABLE messages RENAME COLUMN purpose TO kind")
    op.execute("ALTER TABLE messages RENAME COLUMN rendering TO form")
    _rename_keys("rendering", "form")


def _rename_keys(old: str, new: str) -> None:
    connection = op.get_bind()
    keys = {"old": f'"{old}":', "new": f'"{new}":'}
    connection.execute(text(_RENAME_KEYS[connection.dialect.name]), keys)
