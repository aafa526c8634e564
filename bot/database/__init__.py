"""Decides how transactions, locks and the schema work on SQLite and PostgreSQL.

What is read and written in them is decided in bot/store.
"""
