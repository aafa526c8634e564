"""Build messages, forms, buttons and custom_ids from records.

The texts are in bot/strings. The cogs handle presses of the buttons.
"""
