"""Sentences about one's own runs, a server's queue and presets. Part of `bot.words`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

LISTS: Mapping[str, str] = MappingProxyType(
    {
        # one's own runs
        "command_runs": "Your requests: what became of them, cancelling, and results that couldn't be posted",
        "option_runs_state": "Only those in this state",
        "runs_filter_all": "All",
        "runs_filter_waiting": "Waiting",
        "runs_filter_running": "Running",
        "runs_filter_done": "Done",
        "runs_filter_failed": "Failed",
        "runs_filter_ended": "Cancelled or not approved",
        "runs_filter_kept": "Not posted yet",
        "runs_heading": "### Your requests",
        "runs_none": "You haven't asked for anything yet. Try `/generate`.",
        "runs_none_such": "There are none like that. `/runs` without a state shows all.",
        "runs_line": "{state}: **{title}** <t:{at}:R>{link}",
        "runs_several": "{state} (×{count})",
        "runs_several_done": "{state} ({done} of {count})",
        "runs_link": " · [open]({url})",
        "runs_kept": " · couldn't be posted; choose it below to post it here",
        "runs_kept_elsewhere": " · couldn't be posted; use `/runs` [where you asked]({url})",
        "runs_kept_outside": " · couldn't be posted; use `/runs` where you asked",
        "runs_cancel_choose": "Cancel a request",
        "runs_post_choose": "Post a result here",
        "button_post": "Post it here",
        "withheld_heading": "Your result is ready",
        "withheld": "It is age-restricted, so I post it only in channels that are marked so. Use `/runs` in "
        "such a channel to have it posted there.",
        "post_noted": "I'll post it here in a moment.",
        "post_nothing": "There is nothing left to post for this request.",
        "post_elsewhere": "A result is posted only on the server it was asked for on. "
        "Please use `/runs` [there]({url}).",
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
        "option_preset_seed": "Keep the seed too, for always the same result",
        "option_preset_server": "The server's instead of your own; needs Manage Server",
        "option_preset_use_prompt": "The prompt, instead of the preset's or for its {{prompt}}",
        "preset_saved": "Saved as **{name}** for {title}. Use it with `/preset use` or in `/generate`.",
        "preset_replaced": "**{name}** for {title} is saved anew; it replaced the one of the same name.",
        "preset_files_left": "Files aren't part of a preset, so they were left out.",
        "preset_shared": "This server has **{name}** now, for everybody here.",
        "preset_deleted": "**{name}** is deleted.",
        "preset_dropped": "Some of **{name}** doesn't fit any more and was left out: {dropped}.",
        "preset_no_run": "There is no request of yours to save. Try `/generate` first.",
        "preset_no_prompt": "{title} takes no prompt, so a preset for it can't have one.",
        "preset_needs_prompt": "**{name}** is built around a prompt. Please give one with `prompt`.",
        "preset_needs": "**{name}** has nothing for `{option}`, which is needed. "
        "Use `{path}` with `preset` and fill it in there.",
        "preset_unknown": "There is no preset **{name}**. `/preset list` shows those you can use.",
        "preset_elsewhere": "**{name}** is a preset for {title}. Choose that one, or type `/preset use`.",
        "preset_manage": "A server's presets are for people with Manage Server. "
        "You can save it for yourself.",
        "presets_full_own": "You have {most} presets, which is the most. Please delete one first.",
        "presets_full_server": "This server has {most} presets, which is the most. Please delete one first.",
        "presets_heading": "### Presets",
        "presets_none": "There are none yet. `/preset save` makes one from your latest request.",
        "presets_line": "**{name}** for {title}",
        "presets_line_server": "**{name}** for {title} · this server's",
    }
)
