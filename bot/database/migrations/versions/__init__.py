"""The revisions, which Alembic loads by path. File names and ids begin with a number: `0002_press`."""
