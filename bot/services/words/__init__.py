"""Decides whether a text matches a server's word list or AutoMod rules, and within what time."""
