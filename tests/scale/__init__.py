"""Run the bot as many processes on one PostgreSQL, killed one after the other: `make scale RUNS=1000`."""
