"""Decides which of a run's files are downloaded and attached: addresses, sizes, time, types, age marks.

Where the message goes and how it is retried is decided in bot/delivery.
"""
