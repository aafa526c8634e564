"""ComfyDeploy as a backend: its API calls, their answers and its webhooks.

When calls are made is decided in bot/workers. Only wiring, ops and config import this package.
"""
