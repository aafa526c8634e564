"""The rules for requests, runs and servers.

Only records and pure functions: nothing here imports Discord, the database or HTTP, not even indirectly.
"""
