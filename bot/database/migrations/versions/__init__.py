"""The revisions, which Alembic loads by path. Their ids begin with v1: `v1_001`."""
