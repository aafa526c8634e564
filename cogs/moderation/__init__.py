"""The commands and buttons of moderators: review cards, blocks, `/audit` and `/settings`."""
