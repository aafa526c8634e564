"""Deliver messages: files, places, attempts, retries and deletions. bot/ui decides how they look."""
