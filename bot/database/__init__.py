"""The connection: transactions on SQLite and PostgreSQL, tables, migrations, locks between processes."""
