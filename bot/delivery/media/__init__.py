"""Decide which of a run's files are downloaded and attached, by address, size, time and type.

bot/delivery decides where the message goes and how it is retried.
"""
