"""The rules for requests, runs and servers.

The package contains only records and pure functions. It imports nothing that uses Discord, the database or
HTTP, not even indirectly.
"""
