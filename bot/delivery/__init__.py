"""Decides how a message reaches Discord exactly once: files, route, retries, and what it replaces.

How it looks is decided in bot/ui.
"""
