"""Erase data: at a user's request, and after a server's retention period."""
