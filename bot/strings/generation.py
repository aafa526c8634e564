"""Sentences about the buttons of results, pictures as input, and help. Part of `bot.strings`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EXPERIENCE: Mapping[str, str] = MappingProxyType(
    {
        "button_edit": "Edit",
        "button_details": "Details",
        "button_use": "Use as input",
        "button_vary": "Vary ×{count}",
        "button_edit_again": "Edit again",
        "button_use_with": "Use with {title}",
        # batches
        "several_number": "{number}",
        "several_title": "{title} ×{count}",
        "several_title_some": "{title}, {done} of {count}",
        "several_one": "### {title}: number {number} of {count}",
        "several_done": "{done} of {count} done",
        "several_done_failed": "{done} of {count} done, {failed} not",
        "several_waiting": "{count} waiting, {place}",
        "several_seed": "**{number}** seed {seed}",
        "several_note": "**{number}** {note}",
        "failed_free": "{reason} Nothing was charged.",
        "failed_charged": "{reason} The GPU time was charged.",
        "several_took": "{seconds} s of GPU time in all",
        "several_late": "Took longer than the others; comes in a message of its own.",
        "several_deleted": "Deleted.",
        "several_hint": "Press a number to open that one.",
        # edit forms
        "edit_title": "Edit: {title}",
        "edit_gpu": "The GPU that it runs on",
        "edit_keep_file": "Leave it empty to keep the earlier file.",
        "edit_long_text": "Too long for this form. Leave it empty to keep it, or attach a text file. Details has it.",
        "edit_gone": "“{value}” isn't offered any more. Choose another.",
        "edit_text_too_large": "`{option}`: that file is too large for a text. "
        "Please attach one of at most {limit_kib} KiB.",
        "edit_not_text": "`{option}`: that file isn't plain text. Please attach one that is.",
        "edit_unread": "`{option}`: I couldn't read that file. Please attach it again.",
        "edit_ready": "I've read your file. Send the request with it?",
        "button_send": "Send",
        "edit_forgotten": "I don't have that text any more. Please press Edit and attach it again.",
        "edit_dropped": "This deployment has changed, and these inputs were left out: {names}.",
        # details
        "details_heading": "### Details: {title}",
        "details_input": "**{name}** {value}",
        "details_input_file": "[{name}]({url})",
        "details_state": "state: {state}",
        "details_seed": "seed: {seed}",
        "details_gpu": "GPU asked for: {asked} · used: {used}",
        "details_any_gpu": "any",
        "details_unknown": "not known",
        "details_asked": "asked: <t:{at}:f>",
        "details_queued": "queued: <t:{at}:T>",
        "details_started": "started: <t:{at}:T>",
        "details_ended": "ended: <t:{at}:T>",
        "details_took": "took: {seconds} s",
        "details_key": "request: `{key}`",
        "details_several": "number {number} of {count}",
        "details_parent": "made from: `{key}`",
        "details_command": "To run the same again, copy this:\n```\n{command}\n```",
        "details_log": "The end of its log, for moderators and the bot's owner:",
        "details_gone": "This deployment isn't offered any more, so no command repeats this.",
        "details_in_file": "That is too long to show here. The file has all of it, and the command to copy.",
        "details_hidden": "Only the requester and the moderators can see this before it is approved.",
        # user installs
        "answer_lives": "I'm not a member here, so I can answer for 15 minutes. "
        "A result that takes longer comes as a direct message, or waits in `/runs`.",
        "answer_ends": "This takes longer than I can answer here. "
        "The result comes as a direct message, or waits in `/runs`.",
        "answer_too_late": "The queue was too long for me to answer here in time, so nothing was started. "
        "Please try again later.",
        # pictures as input
        "use_menu": "Use as input",
        "use_heading": "What should I do with this picture?",
        "use_heading_several": "Which picture, and what should I do with it?",
        "use_placeholder": "Choose what to do with it",
        "use_no_picture": "This message has no picture that I can use. PNG, JPEG and WebP files work.",
        "use_nobody": "None of the deployments here takes a picture.",
        "use_stale": "I can't find that picture any more. Please use the message's menu once more.",
        # help
        "command_help": "What you can generate here, and how to ask well",
        "help_heading": "### What you can generate here",
        "help_line": "**{title}** `{path}`\n-# {description}",
        "help_line_plain": "**{title}** `{path}`",
        "help_more": "-# and {count} more: choose one below",
        "help_tips": "**How to ask well**\n"
        "- Say what is in the picture first, then how it should look: subject, light, style.\n"
        "- Found something you like? Press Edit and change one thing. The seed keeps the rest alike.\n"
        "- Details shows every setting of a result, and a command you can copy.\n"
        "- `/runs` lists what you have asked for.",
        "help_tip_count": "- Want a choice? `count` makes several at once, each with its own seed.",
        "help_tip_picture": "- To start from a picture, open a message's menu, choose Apps, then Use as input.",
        "help_placeholder": "Choose one to see its options",
        "help_title": "### {title}\n`{path}`",
        "help_option": "**{name}** {description}",
        "help_limits": "-# {limits}",
        "help_needed": "required",
        "help_from_to": "from {minimum} to {maximum}",
        "help_from": "from {minimum}",
        "help_to": "up to {maximum}",
        "help_length": "at most {maximum:,} characters",
        "help_choices": "one of {choices}",
        "help_files": "up to {count} files",
        "help_in_more": "goes into `more`",
        "help_options_more": "-# and {count} more options",
    }
)
