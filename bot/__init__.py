"""A Discord bot that runs ComfyDeploy deployments for the members of servers."""

__version__ = "1.0.0"
