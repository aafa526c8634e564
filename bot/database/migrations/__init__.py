"""Alembic's environment. It is a package so that the import contracts in pyproject.toml cover it."""
