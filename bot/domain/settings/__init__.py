"""Decides which settings a server has and what they mean: the rules, and the fields of `/settings`."""
