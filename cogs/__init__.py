"""Decides which service a slash command or button calls, and how it is answered. One file per command."""
