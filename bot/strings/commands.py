"""Sentences about blocks, a user's own data, usage, lists and presets.

Part of `bot.strings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PEOPLE: Mapping[str, str] = MappingProxyType(
    {
        "server_only": "This works only on a server. Please use it there.",
        "not_a_moderator": "Only this server's moderators can do that.",
        "list_stale": "This list is out of date. Please open it again with its command.",
        # blocks
        "command_block": "Keep somebody from generating on this server",
        "command_unblock": "Let somebody generate here again",
        "command_blocked": "Who may not generate on this server",
        "option_block_user": "Who to block",
        "option_unblock_user": "Who to unblock",
        "option_block_reason": "Why; the person reads it",
        "option_block_duration": "How long; without it, until somebody unblocks them",
        "option_block_days": "How many days, instead of a duration from the list",
        "duration_hour": "1 hour",
        "duration_day": "1 day",
        "duration_week": "7 days",
        "duration_month": "30 days",
        "duration_open": "until unblocked",
        "block_done": "<@{person}> can't generate here until somebody unblocks them.",
        "block_done_until": "<@{person}> can't generate here until <t:{until}:f>.",
        "block_ended": "Waiting requests ended: {count}.",
        "block_self": "You can't block yourself.",
        "block_bot": "Bots don't generate anything here, so there is no need to block one.",
        "block_moderator": "<@{person}> is a moderator here and can't be blocked. "
        "A server admin can take the role away first.",
        "block_duration_twice": "Please give either a duration or a number of days, not both.",
        "block_duration_unknown": "This duration isn't offered. Please choose one from the list.",
        "unblock_done": "<@{person}> can generate here again.",
        "unblock_nothing": "<@{person}> isn't blocked here. `/blocked` shows who is.",
        "blocked_heading": "### Blocked on this server",
        "blocked_none": "Nobody.",
        "blocked_line": "<@{person}> blocked by <@{by}> <t:{at}:R>",
        "blocked_until_line": "until <t:{until}:f>",
        "blocked_open": "until unblocked",
        "blocked_reason": "“{text}”",
        # the pause
        "command_pause": "For the bot's owner: accept and start nothing, on every server",
        "command_resume": "For the bot's owner: accept requests again",
        "option_pause_reason": "Why; everybody who asks reads it",
        "pause_done": "Paused. Running requests go on, waiting ones wait, new ones are refused: {reason}",
        "resume_done": "I accept requests again, and start those that waited.",
        "resume_nothing": "The bot isn't paused.",
        "owner_only": "Only the bot's owner and their team can do that.",
        # a user's own data
        "command_privacy": "What the bot keeps about you",
        "command_privacy_export": "Get what the bot keeps about you, as a file",
        "command_privacy_delete": "Delete your prompts, inputs and outputs from the bot's database",
        "export_done": "This is what I keep about you.",
        "export_cut": "This is the newest of what I keep about you; the rest didn't fit. The bot's operator can give you all of it.",
        "erase_ask": "This deletes the prompts, inputs and outputs of your finished requests, and your presets. It can't be undone, and those requests can't be repeated or edited any more.\n"
        "Presets that you made for a server stay there, without your name.\n"
        "Moderators still see that there were requests: when, where and how they ended, and any blocks.\n"
        "Messages in channels stay; you can delete your results there.",
        "erase_button": "Delete my data",
        "erase_done": "Deleted the contents of {count} requests. Moderators still see that they existed, and any blocks.",
        "erase_left": "Not deleted, because they aren't finished or posted yet: {keys}. Please ask again when they are.",
        "erase_left_more": "{keys} and {more} more",
        # usage
        "command_usage": "What you have used today, and what is left",
        "option_usage_person": "For moderators: somebody else's usage",
        "usage_heading": "### Your usage today",
        "usage_heading_other": "### Usage of <@{person}> today",
        "usage_server": "### The whole server today",
        "usage_runs": "Runs: {used}",
        "usage_runs_of": "Runs: {used} of {limit}, {left} left",
        "usage_gpu": "GPU seconds: {used}",
        "usage_gpu_of": "GPU seconds: {used} of {limit}, {left} left",
        "usage_now": "Running: {used}",
        "usage_now_of": "Running: {used} of {limit} at once",
        "usage_waiting": "Waiting: {used}",
        "usage_waiting_of": "Waiting: {used} of {limit}",
        "usage_returns": "-# Resets <t:{until}:R>. Unfinished runs are estimated.",
        "usage_blocked": "Blocked on this server.",
        "usage_blocked_until": "Blocked on this server until <t:{until}:f>.",
        "usage_paused": "The bot is paused: {reason}",
    }
)
LISTS: Mapping[str, str] = MappingProxyType(
    {
        # a user's own runs
        "command_runs": "Your requests: how they ended, cancelling, and results that couldn't be posted",
        "option_runs_state": "Only those in this state",
        "runs_filter_all": "All",
        "runs_filter_waiting": "Waiting",
        "runs_filter_running": "Running",
        "runs_filter_done": "Done",
        "runs_filter_failed": "Failed",
        "runs_filter_ended": "Cancelled or not approved",
        "runs_filter_undelivered": "Not posted yet",
        "runs_heading": "### Your requests",
        "runs_none": "You haven't asked for anything yet. Try `/generate`.",
        "runs_none_such": "You have none like that. `/runs` without a state shows all.",
        "runs_line": "{state}: **{title}** <t:{at}:R>{link}",
        "runs_several": "{state} (×{count})",
        "runs_several_done": "{state} ({done} of {count})",
        "runs_link": " · [open]({url})",
        "runs_undelivered": " · couldn't be posted; choose it below to post it here",
        "runs_undelivered_elsewhere": " · couldn't be posted; use `/runs` [where you asked]({url})",
        "runs_undelivered_outside": " · couldn't be posted; use `/runs` where you asked",
        "runs_cancel_choose": "Cancel a request",
        "runs_post_choose": "Post a result here",
        "button_post": "Post it here",
        "withheld_heading": "Your result is ready",
        "withheld": "It is age-restricted, so I post it only in age-restricted channels. Use `/runs` in one to have it posted there.",
        "post_noted": "I'll post it here in a moment.",
        "post_nothing": "There is nothing left to post for this request.",
        "post_elsewhere": "Results are posted only on the server where you asked. Please use `/runs` [there]({url}).",
        "post_outside": "You asked for this outside of this server. Please use `/runs` in my direct messages, "
        "or where you asked.",
        # a server's queue
        "command_queue": "What this server has running and waiting",
        "queue_heading": "### Running and waiting on this server",
        "queue_none": "Nothing at the moment.",
        "queue_line": "{state}: **{title}** <@{person}> <t:{at}:R>{position}",
        "queue_of_several": "{title} {number} of {count}",
        "queue_back": "Back",
        "queue_on": "More",
        # sizes
        "option_size": "The shape of the result",
        # presets
        "option_preset": "A saved set of inputs; what you type here wins",
        "command_preset": "Sets of inputs to use again",
        "command_preset_save": "Save the inputs of one of your requests under a name",
        "command_preset_use": "Generate with a preset",
        "command_preset_list": "Your presets and this server's",
        "command_preset_delete": "Delete a preset",
        "command_preset_share": "Give this server a copy of one of your presets",
        "option_preset_name": "The preset's name",
        "option_preset_run": "Which request; without it, your latest",
        "option_preset_prompt": "The prompt to keep; {{prompt}} in it stands for what is typed later",
        "option_preset_seed": "Keep the seed too, so that the result is always the same",
        "option_preset_server": "The server's instead of your own; needs Manage Server",
        "option_preset_use_prompt": "The prompt, instead of the preset's or for its {{prompt}}",
        "preset_saved": "Saved as **{name}** for {title}. Use it with `/preset use` or in `/generate`.",
        "preset_replaced": "Saved **{name}** for {title}; it replaced the preset of the same name.",
        "preset_files_left": "Files aren't part of a preset, so they were left out.",
        "preset_shared": "Everybody on this server can use **{name}** now.",
        "preset_deleted": "Deleted **{name}**.",
        "preset_dropped": "Some of **{name}** doesn't fit any more and was left out: {dropped}.",
        "preset_no_run": "There is no request of yours to save. Try `/generate` first.",
        "preset_no_prompt": "{title} takes no prompt, so a preset for it can't have one.",
        "preset_needs_prompt": "**{name}** is built around a prompt. Please give one with `prompt`.",
        "preset_needs": "**{name}** has no `{option}`, which is required. Use `{path}` with `preset` and fill it in there.",
        "preset_unknown": "There is no preset **{name}**. `/preset list` shows those you can use.",
        "preset_elsewhere": "**{name}** is a preset for {title}. Choose that one, or type `/preset use`.",
        "preset_manage": "A server's presets are for people with Manage Server. "
        "You can save it for yourself.",
        "presets_full_own": "You have {limit} presets, which is the limit. Please delete one first.",
        "presets_full_server": "This server has {limit} presets, which is the limit. Please delete one first.",
        "presets_heading": "### Presets",
        "presets_none": "There are none yet. `/preset save` makes one from your latest request.",
        "presets_line": "**{name}** for {title}",
        "presets_line_server": "**{name}** for {title} · this server's",
    }
)

OPERATOR = {
    "command_reload": "For the bot's owner: read deployments.toml again",
    "reload_done": "I have read the deployments again.",
    "reload_same": "Nothing has changed.",
    "reload_added": "Added: {names}",
    "reload_changed": "Changed: {names}",
    "reload_removed": "Removed: {names}",
    "reload_warnings": "Please look at these warnings:",
    "reload_broken": "Nothing has changed, because the file has mistakes. Please correct:",
    "reload_more": "and {count} more, which `python -m bot check` lists.",
}
