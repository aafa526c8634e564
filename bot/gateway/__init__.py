"""The commands as Discord has them: synced, compared, allowed, and the links that bring them in."""
