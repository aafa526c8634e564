"""The use cases of moderators: deciding requests, blocking members, the audit log and a server's settings."""
