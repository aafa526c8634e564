"""Decide how a message reaches Discord exactly once: its files, its route, retries, and the messages that it
replaces.

bot/ui decides what a message looks like.
"""
