"""Presets: saving and using them, suggesting their names, and merging their inputs into requests."""
