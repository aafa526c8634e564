"""The discord.py side of the bot, without commands: client, interactions, permissions, command sync."""
