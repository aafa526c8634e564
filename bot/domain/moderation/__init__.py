"""Moderation: decisions about requests and results, blocks, and the audit log."""
