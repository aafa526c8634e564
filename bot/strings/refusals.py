"""Sentences that refuse a request or the press of a button, or report an internal error.

They are merged into `bot.strings.SENTENCES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        # internal errors
        "internal": "Something went wrong here, and it has been logged. Please try again in a moment.",
        "store_unavailable": "I can't reach my database right now, so nothing was started. Please try again soon.",
        "commit_unknown": "I lost my database while saving. It may have been saved; please check, then retry.",
        "request_unknown": "I lost my database while saving this. It may still start; `/runs` shows it.",
        "answered_privately": "I've answered this privately.",
        "rules_changed": "The rules here have just changed, so nothing was started. Please try again.",
        "command_changed": "This command has just changed. Please reload Discord and try again.",
        "other_version": "This comes from another version of the bot. Please start again with its command.",
        "starting": "I'm still starting up. Please try again in a few seconds.",
        # rules
        "guild_not_allowed": "This bot doesn't generate on this server. Its operator can allow it.",
        "direct_messages_off": "I don't generate in direct messages here. Please use a server channel.",
        "user_installs_off": "I can't be used from your own account any more. Please use me on a server that I'm in.",
        "daily_limit": "Today's GPU time is used up. It resets <t:{until}:R>.",
        "paused": "Generating is paused for the moment: {reason}",
        "blocked": "You can't generate on this server. Reason from the moderators: “{reason}”",
        "blocked_until": "You can't generate on this server until <t:{until}:f>. Reason from the moderators: “{reason}”",
        "account_too_young": "This server requires accounts older than {days} days. Yours will be <t:{until}:R>.",
        "member_too_young": "This server requires {days} days of membership. You can generate <t:{until}:R>.",
        "deployment_role": "Your roles can't use this deployment. Restricted ones that you may use: {allowed}.",
        "deployment_role_none": "Your roles can't use this. Ask a moderator which role you need.",
        "gpu_role": "Your roles can't use {gpu}. Restricted GPUs that you may use: {allowed}.",
        "gpu_role_none": "Your roles can't use {gpu}. Choose another, or ask a moderator which role you need.",
        "gpu_role_unknown": "This server restricts some GPUs, and I don't know the default. Please choose one.",
        "gpu_role_all": "Only members who may use every restricted GPU can run this. Ask a moderator.",
        "budget_waiting": "You already have {limit} requests waiting. Please let one finish, or cancel one.",
        "budget_runs": "You have reached today's limit of {limit}. It resets <t:{until}:R>.",
        "budget_gpu": "This needs about {needed} GPU seconds, and you have {left} of {limit} left today. Resets <t:{until}:R>.",
        "server_budget_waiting": "This server already has {limit} requests waiting. Please try again soon.",
        "server_budget_runs": "This server has reached today's limit of {limit}. It resets <t:{until}:R>.",
        "server_budget_gpu": "This needs about {needed} GPU seconds, and this server has {left} of {limit} left today. Resets <t:{until}:R>.",
        "daily_limit_count": "You requested {count}, but today's GPU time allows {possible}. It resets <t:{until}:R>.",
        "budget_waiting_count": "You requested {count}, but only {possible} more can wait; your limit is {limit}. Please request fewer.",
        "budget_runs_count": "You have {possible} left today, and asked for {count}. The limit resets <t:{until}:R>.",
        "budget_gpu_count": "You requested {count}, but your {limit} GPU seconds for today allow {possible}. Resets <t:{until}:R>.",
        "server_budget_waiting_count": "You requested {count}, but only {possible} more can wait; this server's limit is {limit}. Please request fewer.",
        "server_budget_runs_count": "This server has {possible} left today, and you asked for {count}. The limit resets <t:{until}:R>.",
        "server_budget_gpu_count": "You requested {count}, but this server's {limit} GPU seconds for today allow {possible}. Resets <t:{until}:R>.",
        "default_words": (
            "The channel's default **{name}** contains something forbidden. "
            "Choose another `preset`, or tell a moderator."
        ),
        "words_refused": "Your **{option}** has a word that this server blocks.",
        "words_unavailable": "I can't read this server's word rules right now, so nothing was started. Please try again in a minute.",
        "words_forbidden": "I can't read this server's AutoMod rules. A server admin can give me Manage Server, "
        "or switch AutoMod off in `/settings`.",
        "pressed_twice": "You've just pressed this. To start another, press it again in a few seconds.",
        "message_other": "This doesn't belong to this message. Press it where I posted it.",
        "channel_gone": "I can't reach the channel of this request any more, so nothing was started. Please use another channel.",
        "parent_deleted": "The result that this needs was deleted, so nothing was started.",
        "discord_away": "Discord didn't answer, so nothing has changed. Please try again in a minute.",
        "too_fast": "You're going too fast. Please try again in a minute.",
        # rules that keep a request waiting
        "rules_unreadable": "I can't read this server's settings. A moderator can repair them in `/settings`.",
        "waits_for_discord": "Discord doesn't answer me right now. I'll try again <t:{until}:R>.",
        "waits_for_store": "My database didn't answer. I'll try again <t:{until}:R>.",
        "waits_for_backend": "ComfyDeploy doesn't answer right now. I'll start this once it does.",
        "waits_for_busy_backend": "ComfyDeploy is too busy right now. I'll start this once it has room.",
        "waits_for_machine": "This deployment's machine doesn't answer. I'll start this once it does.",
        "waits_until_then": "I'll start this then.",
        "waits_until_over": "I'll start this afterwards.",
        "not_allowed_here": "This server's settings don't let you use this here.",
        # who may do it, and where
        "missing_permissions": (
            "I can't show a result here, so I won't start. I need: {missing}. "
            "A server admin can grant that in the channel's settings."
        ),
        "thread_locked": "This thread is locked, so I couldn't post the result. Please use an open one.",
        "age_restricted": "Please use this in an age-restricted channel.",
        "result_age": "This result is age-restricted. Please use an age-restricted channel.",
        "not_yours": "Only the requester can use this.",
        "post_not_yours": "Only <@{person}> can post this.",
        "cancel_not_yours": "Only the requester and people with Manage Messages here can cancel this.",
        "delete_not_yours": "Only the requester, moderators and people with Manage Messages here can delete this.",
        "delete_not_yours_report": "Only the requester, moderators and people with Manage Messages here can delete this. You can press Report instead. If you don't see it, press More first.",
        "run_gone": "This request no longer exists.",
        "run_erased": "The data of this request was deleted, so it can't be repeated. Please start a new one.",
        "run_ended": "This request has already ended.",
        # cancelling
        "cancel_too_late": "It has already finished.",
        "not_cancellable": "This machine can't stop a run, so the result will still be posted.",
        # the deployment
        "deployment_gone": "That deployment isn't offered any more. Type `/generate` to see what is.",
        "gpu_removed": "{gpu} isn't offered any more. Please start this again with another GPU.",
        "value_removed": "`{option}` has changed since this request, so nothing was started. Please start it again.",
        # invalid inputs
        "input_required": "`{option}` is required.",
        "input_unknown": "There is no option `{option}`. Did you mean one of these: {choices}?",
        "input_more_syntax": "I can't read `more` from “{text}” on. Write key=value, key=value, with quotes around text that has a comma.",
        "input_twice": "`{option}` was given twice. Please keep one.",
        "input_file_in_more": "`{option}` takes a file, which can't go into `more`. Attach it to its own option.",
        "input_not_integer": "`{option}` needs a whole number, not “{value}”.",
        "input_not_number": "`{option}` needs a number, not “{value}”.",
        "input_not_boolean": "`{option}` is yes or no, not “{value}”.",
        "input_too_small": "`{option}` is {value}, but must be at least {minimum}.",
        "input_too_large": "`{option}` is {value}, but must be at most {maximum}.",
        "input_too_short": "`{option}` has {length} characters and needs at least {minimum}.",
        "input_too_long": "`{option}` has {length} characters and takes at most {maximum}.",
        "input_choice": "`{option}` can't be “{value}”. Choose one of: {choices}.",
        "input_not_a_file": "`{option}` needs an attached file.",
        "input_not_text": "`{option}` takes text or a number, not a file.",
        "input_file_type": "`{option}` needs {expected}, but {filename} is {found}. Nothing was started.",
        "input_file_unknown": "`{option}` needs {expected}, and {filename} doesn't look like one. Nothing was started.",
        "file_image": "a picture",
        "file_video": "a video",
        "file_audio": "a sound file",
        "file_text": "a text file",
        "file_other": "of the type `{type}`",
        "input_file_empty": "{filename} is empty. Please attach another file.",
        "input_file_too_large": "{filename} is larger than {limit_mib} MiB. Please attach a smaller one.",
    }
)
