"""Decides how many deliveries run at once, for which channels, and when they wait: outages, rate limits."""
