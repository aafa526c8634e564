"""The adapter to ComfyDeploy: wire formats and one HTTP client."""
