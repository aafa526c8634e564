"""`python -m bot check`: whether the bot can work as it is configured. Reads only, and spends nothing."""
