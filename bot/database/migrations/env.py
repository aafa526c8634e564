"""Alembic's entry point. `bot.database.schema` passes the open connection, so there is no alembic.ini."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
