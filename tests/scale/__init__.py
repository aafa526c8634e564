"""Run many processes of the bot on one PostgreSQL, and kill one after the other: `make scale RUNS=1000`."""
