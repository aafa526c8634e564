"""Build messages, forms, buttons and custom_ids from records.

The texts are in bot/strings, and the actions of buttons in cogs.
"""
