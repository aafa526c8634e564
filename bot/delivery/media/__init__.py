"""Decides which of a run's files are downloaded and attached, by address, size, time and type.

Where the message goes and how it is retried is decided in bot/delivery.
"""
