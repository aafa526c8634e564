"""The rules for requests, runs and servers.

The package does no input or output. It imports nothing that uses Discord, the database or HTTP, not even
indirectly.
"""
