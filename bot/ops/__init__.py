"""The operator's commands: check, sync and export."""
