"""Decide which options a deployment gets from its inputs and deployments.toml, and report mistakes."""
