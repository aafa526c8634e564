"""The operator's commands: check, sync, export."""
