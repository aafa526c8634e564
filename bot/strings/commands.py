"""Sentences about blocks, pauses, reloads, a user's own data, usage, lists, presets and help.

They are merged into `bot.strings.SENTENCES`.
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
        "duration_hour": "1 hour",
        "duration_day": "1 day",
        "duration_week": "7 days",
        "duration_month": "30 days",
        "duration_open": "until unblocked",
        "block_done": "<@{person}> can't generate here until somebody unblocks them.",
        "block_done_until": "<@{person}> can't generate here until <t:{until}:f>.",
        "block_ended_requests": "This ended {count} waiting requests.",
        "block_ended_requests_one": "This ended 1 waiting request.",
        "block_self": "You can't block yourself.",
        "block_bot": "Bots don't generate anything here, so there is no need to block one.",
        "block_moderator": "<@{person}> is a moderator here and can't be blocked. "
        "A server admin can take the role away first.",
        "block_owner": "<@{person}> owns this server and can't be blocked.",
        "block_duration_twice": "Please give either a duration or a number of days, not both.",
        "block_duration_unknown": "This duration isn't offered. Please choose one from the list.",
        "unblock_done": "<@{person}> can generate here again.",
        "unblock_nothing": "<@{person}> isn't blocked here. `/blocked` shows who is.",
        "unblock_over": "This block of <@{person}> has already ended. The list is up to date again.",
        # the pause
        "pause_done": "Paused. Running requests continue, waiting ones wait, and I refuse new ones: {reason}",
        "resume_done": "I accept requests again, and start those that waited.",
        "resume_nothing": "The bot isn't paused.",
        "owner_only": "Only the bot's owner and their team can do that.",
        # a user's own data
        "export_done": "This is what I keep about you.",
        "export_cut": "This is the newest of what I keep about you; the rest didn't fit. The bot's operator can give you all of it.",
        "erase_ask": "This deletes the prompts, inputs and outputs of your finished requests, and your presets. It also deletes the prompts of refused requests and the notes of your reports. It can't be undone, and those requests can't be repeated or edited any more.\nPresets and defaults that you made for a server stay there, without your name.\nModerators still see that there were requests: when, where and how they ended, and any blocks.\nMessages in Discord stay, including what you posted or shared. You can still remove a result and its copies with Delete.",
        "erase_done": "Deleted the contents of {count} requests. Moderators still see that they existed, and any blocks.",
        "erase_done_one": "Deleted the contents of 1 request. Moderators still see that it existed, and any blocks.",
        "erase_presets": "Deleted your {count} presets.",
        "erase_presets_one": "Deleted your preset.",
        "erase_left": "I kept these requests, because they aren't finished or posted yet:\n{requests}\nOnce they are, use `/privacy delete` again.",
        # usage
        "usage_runs": "Runs: {used}",
        "usage_runs_of": "{bar} Runs: {used} of {limit}, {left} left",
        "usage_gpu": "GPU seconds: {used}",
        "usage_gpu_of": "{bar} GPU seconds: {used} of {limit}, {left} left",
        "usage_now": "Running: {used}",
        "usage_now_of": "{bar} Running: {used} of {limit} at once",
        "usage_waiting": "Waiting: {used}",
        "usage_waiting_of": "{bar} Waiting: {used} of {limit}",
        "usage_returns": "-# Resets <t:{until}:R>. The GPU seconds of unfinished runs are estimates.",
        "usage_blocked": "Blocked on this server: {reason}",
        "usage_blocked_until": "Blocked on this server until <t:{until}:f>: {reason}",
        "usage_paused": "The bot is paused: {reason}",
    }
)
LISTS: Mapping[str, str] = MappingProxyType(
    {
        # a user's own runs
        "runs_filter_all": "All",
        "runs_filter_waiting": "Waiting",
        "runs_filter_running": "Running",
        "runs_filter_done": "Done",
        "runs_filter_failed": "Failed",
        "runs_filter_ended": "Cancelled or not approved",
        "runs_filter_undelivered": "Not posted yet",
        "runs_none": "You haven't requested anything yet. Try `/generate`.",
        "runs_none_such": "You have none like that. `/runs` without a state shows all.",
        "runs_line": "{state}: **{title}** <t:{at}:R>{link}",
        "runs_several": "{state} (×{count})",
        "runs_several_done": "{state} ({done} of {count})",
        "runs_link": " · [open]({url})",
        "runs_undelivered_elsewhere": " · couldn't be posted; use `/runs` [where you requested it]({url})",
        "runs_cancel_choose": "Cancel a request",
        "runs_redeliver_choose": "Post a result here",
        "runs_open_choose": "Show a private result again",
        "runs_restricted": "age-restricted, so it isn't shown here",
        "deleted": "deleted",
        "deleted_by_moderator": "deleted by a moderator",
        "partly_deleted": "partly deleted",
        "partly_deleted_by_moderator": "partly deleted by a moderator",
        "withheld_heading": "Your result is ready",
        "withheld": "It is age-restricted, so I post it only in age-restricted channels. Use `/runs` in one to have it posted there.",
        "post_noted": "I'll post it here in a moment.",
        "post_nothing": "There is nothing left to post for this request.",
        "post_elsewhere": "Results are posted only on the server of the request. Please use `/runs` [there]({url}).",
        "post_outside": "You requested this outside of this server. Please use `/runs` in my direct messages, or where you requested it.",
        # a server's queue
        "queue_heading": "### Running and waiting on this server",
        "queue_none": "Nothing at the moment.",
        "queue_line": "{state}: **{title}** <@{person}> <t:{at}:R>{position}",
        "queue_position": "number {position} for its deployment",
        "queue_back": "Back",
        "queue_on": "More",
        # the command /generate
        "command_generate": "Generate a picture, video or sound with ComfyDeploy",
        "command_generate_group": "Deployments: {group}",
        "option_size": "The shape of the result",
        "option_gpu": "The GPU that it runs on",
        "gpu_weight": "{gpu} · counts ×{weight}",
        "option_count": "How many at once, each with its own seed",
        "option_more": "More as key=value, key=value: {names}",
        "option_default": "(default {value})",
        "default_random": "random",
        # presets
        "option_private": "Only you can see the result. Moderators can open it, too.",
        "option_preset": "A saved set of inputs; what you type here overrides it",
        "option_preset_name": "The preset's name",
        "option_preset_prompt": "The prompt to keep; {{prompt}} in it stands for what is typed later",
        "option_preset_seed": "Keep the seed too, so that the result is always the same",
        "option_preset_server": "The server's instead of your own; needs Manage Server",
        "preset_saved": "Saved as **{name}** for {title}. Use it with `/preset use` or in `/generate`.",
        "preset_replaced": "Saved **{name}** for {title}; it replaced the preset of the same name.",
        "preset_taken_server": "This server already has a preset with this name. Replace it?",
        "preset_taken": "You already have a preset with this name. Replace it?",
        "preset_taken_default": "Replacing it also changes the default of {channels}.",
        "preset_forgotten": "I don't have that preset any more. Please type the command again.",
        "preset_replaced_gone": "The earlier preset is gone, so I saved nothing. Please type the command again.",
        "preset_no_run": "There is no request of yours to save. Try `/generate` first.",
        "preset_run_unknown": "I don't know this request. Please choose one from the list.",
        "preset_no_prompt": "{title} takes no prompt, so a preset for it can't have one.",
        "preset_needs_prompt": "**{name}** needs a prompt. Type one in the option `prompt`.",
        "preset_servers": "**{name}** belongs to this server. People with Manage Server can delete it with `server: True`.",
        "preset_unknown": "There is no preset called **{name}**. `/preset list` shows those you can use.",
        "preset_elsewhere": "**{name}** is for {title}. Type `{path}` or `/preset use`.",
        "default_set": "In <#{channel}>, `{path}` now starts from **{name}**. What people type wins, or goes where `{{prompt}}` stands.",
        "default_set_own": "For you, `{path}` now starts from **{name}**. What you type wins, or goes where `{{prompt}}` stands.",
        "default_is": "In <#{channel}>, `{path}` starts from **{name}**{by}.",
        "default_is_own": "For you, `{path}` starts from **{name}**.",
        "default_is_none_own": "You have no default of your own. Type `/preset default` with a `name` to set one.",
        "default_replaces": "It replaces **{name}** for {title}.",
        "default_removed_own": "You have no default preset of your own any more.",
        "default_none": "<#{channel}> has no default preset. Type `/preset default` with a `name` and `channel: True` to set one.",
        "default_servers": "**{name}** is this server's preset. With `channel: True` it becomes the channel's default; yours has to be your own.",
        "default_manage": "Only people with Manage Channels can set a channel's default.",
        "default_own": "**{name}** is your own preset. Give this server a copy with `/preset share` first.",
        "default_gone": "**{name}** is for a deployment that isn't offered any more. Please choose another.",
        "preset_manage": "Only people with Manage Server can change a server's presets. Anyone can save their own.",
        "presets_full_own": "You have {limit} presets, which is the limit. Please delete one first.",
        "presets_full_server": "This server has {limit} presets, which is the limit. Please delete one first.",
        "presets_heading": "### Presets",
        "presets_none": "There are none yet. `/preset save` makes one from your latest request.",
        "presets_line": "**{name}** for {title}",
        "presets_line_server": "**{name}** for {title} · this server's",
        "presets_cut": "cut; {length} characters in all",
    }
)

HELP: Mapping[str, str] = MappingProxyType(
    {
        "greeting": "### Hello! I generate what you describe.\n- Try {generate} in any channel where I may post, such as this one. {help} shows what I can make.\n- Moderators set limits, approval and blocked words with {settings}. By default everybody may start.\n- **Server Settings → Integrations** lets you choose channels and roles for my commands.",
        "help_start": "Type a command below, and say what you want. I ping you when it's done.\n"
        "The buttons under a result repeat it, vary it, or change one thing.\n"
        "**⋯ More** under a result has the rest: Save preset, Details, Share, Delete.",
        "help_prompt": "a lighthouse at dusk, soft light, film photo",
        "help_button_start": "Start",
        "help_button_examples": "Examples",
        "help_button_limits": "My limits",
        "help_button_commands": "Commands",
        "help_tips": "**How to get good results**\n- Say what is in the picture first, then how it should look: subject, light, style.\n- Found something you like? Press Edit and change one thing. The seed keeps the rest similar.",
        # help: the user's own limits
        "help_rules": "**Your limits here**",
        "help_rules_runs": "- You have {left} of {limit} runs left today.",
        "help_rules_gpu": "- You have {left} of {limit} GPU seconds left today.",
        "help_rules_server_runs": "- The whole server has {left} of {limit} runs left today.",
        "help_rules_server_gpu": "- The whole server has {left} of {limit} GPU seconds left today.",
        "help_rules_default": "- `/generate` for {title} starts from the preset **{name}** here. What you type wins, or goes where `{{prompt}}` stands.",
        "help_rules_age": "- {names}: only in channels marked as age-restricted, which this one isn't.",
        "help_rules_age_here": "- {names}: only in channels marked as age-restricted, like this one.",
        # help: the other commands
        "help_command_runs": "- {runs} lists your requests, to open, cancel or post again.",
        "help_command_queue": "- {queue} shows what is running and waiting on this server.",
        "help_command_presets": "- {save} keeps a request's inputs under a name. {use} uses them again.",
        "help_command_usage": "- {usage} shows what you have used today.",
        "help_command_privacy": "- {export} sends you what I keep about you. {delete} deletes it.",
    }
)

OPERATOR = {
    "reload_added": "Added: {names}",
    "reload_changed": "Changed: {names}",
    "reload_removed": "Removed: {names}",
    "reload_unsynced": "Discord didn't answer. Its commands are still the old ones; I'll try again soon.",
    "reload_warnings": "Please look at these warnings:",
    "reload_broken": "Nothing has changed, because the file has mistakes. Please correct:",
}
