"""Call ComfyDeploy, and read its replies and webhooks. Only wiring and ops import this package."""
