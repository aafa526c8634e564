"""A run at ComfyDeploy: its one queue call, and everything that is heard of it."""
