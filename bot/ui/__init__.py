"""Build messages, forms and custom_ids from records. The cogs handle presses of the buttons."""
