"""Alembic's environment; a package so that the import contracts in pyproject.toml cover it."""
