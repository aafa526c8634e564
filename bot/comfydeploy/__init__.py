"""ComfyDeploy as a backend: its API calls, their responses and its webhooks.

The callers, mostly in bot/workers, decide when to call. Only wiring, ops and config import this package.
"""
