"""Decides how the bot connects to Discord, what it reads off an interaction, and which commands Discord has.

What a command or button does is decided in cogs and bot/services.
"""
