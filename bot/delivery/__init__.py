"""Messages owed, from the row to Discord."""
