"""Decides what the operator's commands check, sync and export do and print."""
