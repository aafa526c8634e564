"""The connection to Discord, the contents of interactions, and the sync of commands.

The actions of commands and buttons are in cogs and bot/services.
"""
