"""Decide how many deliveries run at once, for which channels, and when outages or rate limits delay them."""
