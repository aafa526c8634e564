"""The operator's commands: check and export."""
