"""The revisions, which Alembic loads by path."""
