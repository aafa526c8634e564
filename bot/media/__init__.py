"""Fetch a run's files, and decide by address, size, time and type which of them are attached."""
