"""Decides what is sent to ComfyDeploy, and what its answers and webhooks mean: the only backend so far.

When it is called is decided in bot/workers. Only wiring, ops and config import this package.
"""
