"""Connections, transactions, tables, migrations, and coordination between processes."""
