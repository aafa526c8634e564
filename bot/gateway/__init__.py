"""Connect to Discord, read interactions and sync commands. Their actions are in cogs and bot/services."""
