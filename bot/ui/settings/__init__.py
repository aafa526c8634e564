"""Build the panel of `/settings` and its forms from the settings that `bot/domain/settings` declares."""
