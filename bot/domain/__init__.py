"""Decides what a request, a run and a server's rules are, and what may happen to them.

Records and pure functions: no Discord, no database and no HTTP, not even through an import.
"""
