"""Slash commands and buttons, one file per command: each calls a service and answers with its result."""
