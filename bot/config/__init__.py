"""Decides which settings exist, what they may hold, and how logs look; alone in reading the environment.

What a setting does is decided where it is used.
"""
