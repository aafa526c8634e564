"""Sentences for `/settings`, which are merged into `bot.strings.SENTENCES`.

The texts about settings themselves are in their declarations, in `bot.domain.settings.rules_and_defaults`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "command_settings": "What the bot may do on this server, and for whom",
        "settings_only_in_servers": "Settings belong to a server. Please use this in one.",
        "settings_not_allowed": "Only people with Manage Server can change the settings.",
        "settings_not_a_member": "I'm not a member of this server. Please add me to it first.",
        "settings_stale": "This panel is from an older version of the bot. Please open `/settings` again.",
        "settings_changed_meanwhile": "Meanwhile somebody else has set this to {now}. Edit again keeps what you typed.",
        "settings_needs_reviewers": "Choose a reviewer role in Approval first, or let new cards ping nobody.",
        "settings_needs_channel": "Approval needs a review channel. Choose one, or let nobody wait.",
        "settings_channel_unknown": "I can't find this channel. Please choose a text channel that I can see.",
        "settings_role_unknown": "This role was deleted, or it is @everyone. Please choose another one.",
        "settings_deployment_unknown": "This deployment isn't offered any more. Please choose from the list.",
        "settings_gpu_unknown": "This GPU isn't offered any more. Please choose from the list.",
        "settings_not_offered": "“{value}” can't be chosen here. Please choose from the list.",
        "settings_not_integer": "“{value}” is not a whole number. Please use digits only.",
        "settings_not_number": "“{value}” is not a number. Please use digits, like 1.5.",
        "settings_number_needed": "A number is needed here.",
        "settings_too_small": "{value} is too small; it must be at least {limit}.",
        "settings_not_above": "{value} is too small; it must be more than {limit}.",
        "settings_too_large": "{value} is too large; it must be at most {limit}.",
        "settings_word_too_long": "“{word}” is too long: a word or phrase has at most {limit} characters.",
        "settings_word_only_star": "“{word}” is only a wildcard. Add letters to it, like `fox*`.",
        "settings_word_inner_star": "“{word}” has a `*` inside, which is no wildcard. Put it at either end.",
        "settings_too_many_words": "The list takes at most {limit} words. AutoMod keyword rules hold more.",
        "settings_word_not_listed": "“{word}” is not on the list.",
    }
)
