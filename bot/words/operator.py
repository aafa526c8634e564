"""What the bot's owner reads in Discord."""

from __future__ import annotations

OPERATOR = {
    "command_reload": "For the bot's owner: read deployments.toml again",
    "reload_done": "I have read the deployments again.",
    "reload_same": "Nothing has changed.",
    "reload_added": "Added: {names}",
    "reload_changed": "Changed: {names}",
    "reload_removed": "Removed: {names}",
    "reload_warnings": "There is something to know about them, {count} lines of it, in my log.",
    "reload_broken": "Nothing has changed, since the deployments can't be offered as the file says. Please correct:",
    "reload_more": "and {count} more, which `python -m bot check` tells.",
}
