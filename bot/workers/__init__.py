"""Decides when runs are started, asked about, cancelled and given up, and how reports are recorded.

What a report changes is decided in bot/domain, and what is posted in bot/delivery.
"""
