"""Transactions, locks and the schema on SQLite and PostgreSQL.

Queries are in bot/store, except those for the key-value table.
"""
