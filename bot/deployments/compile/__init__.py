"""Decides which options a deployment gets, from its inputs and deployments.toml, and reports mistakes."""
