"""Use cases of moderation: decisions, reports, deletions, blocks, the audit log and a server's settings."""
