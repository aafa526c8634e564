"""Decides how messages, forms and buttons look, and what every custom_id holds. Records in, components out.

What they say is decided in bot/strings, and what a press does in cogs.
"""
