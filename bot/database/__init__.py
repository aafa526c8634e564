"""Run transactions, hold locks and migrate the schema. Queries are in bot/store, but for key values."""
