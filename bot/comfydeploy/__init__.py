"""ComfyDeploy as the bot's backend: its HTTP API, its webhooks, its quirks."""
