"""Merge the backend's description of a deployment with deployments.toml, and warn about what doesn't fit."""
