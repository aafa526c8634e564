"""Messages, forms, buttons and custom_ids: builds components from records.

Texts are in bot/strings, and the actions of buttons in cogs.
"""
