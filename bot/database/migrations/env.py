"""Alembic's entry point. `bot.database.schema` passes the open connection, so there is no alembic.ini."""

from __future__ import annotations

from alembic import context

from bot.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
