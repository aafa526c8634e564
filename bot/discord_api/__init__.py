"""Calls to Discord's HTTP API, and what its answers mean. They need no gateway connection."""
