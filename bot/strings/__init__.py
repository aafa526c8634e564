"""All sentences that users read in Discord: short, plain, and with a way out in each refusal.

`say(code, **params)` fills in the placeholders. An unknown code becomes `internal` and is never shown.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

from bot.domain.errors import BotError, InputErrors
from bot.strings.audit import AUDIT
from bot.strings.commands import LISTS, OPERATOR, PEOPLE
from bot.strings.generation import EXPERIENCE
from bot.strings.settings import MODERATION
from bot.strings.sharing import SHARING

log = logging.getLogger(__name__)

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        **AUDIT,
        **LISTS,
        **MODERATION,
        **OPERATOR,
        **PEOPLE,
        **EXPERIENCE,
        **SHARING,
        # internal errors
        "internal": "Something went wrong here, and it has been logged. Please try again in a moment.",
        "store_unavailable": "I can't reach my database right now, so nothing was started. Please try again soon.",
        "commit_unknown": "I lost my database while saving. It may have been saved; please check, then retry.",
        "request_unknown": "I lost my database while saving this. It may still start; `/runs` shows it.",
        "answer_lost": "I couldn't confirm this request to you, so nothing was started. Please try again.",
        "does_not_fit": "A text in this is too long to keep. Please shorten it and retry.",
        "command_changed": "This command has just changed. Please reload Discord and try again.",
        "starting": "I'm still starting up. Please try again in a few seconds.",
        # rules
        "guild_not_allowed": "This bot doesn't generate on this server. Its operator can allow it.",
        "direct_messages_off": "I don't generate in direct messages here. Please use a server channel.",
        "user_installs_off": "I can't be used from your own account any more. Please use me on a server that I'm in.",
        "daily_limit": "Today's GPU time is used up. It resets <t:{until}:R>.",
        "paused": "Generating is paused for the moment: {reason}",
        "blocked": "A moderator has blocked you from generating on this server: {reason}",
        "blocked_until": "A moderator has blocked you from generating here until <t:{until}:f>: {reason}",
        "account_too_young": "This server asks for accounts older than {days} days. Yours will be <t:{until}:R>.",
        "member_too_young": "This server asks for {days} days of membership. You can generate <t:{until}:R>.",
        "deployment_role": "Your roles can't use this deployment. Restricted ones that you may use: {allowed}.",
        "deployment_role_none": "Your roles can't use this. Ask a moderator which role you need.",
        "gpu_role": "Your roles can't use {gpu}. Restricted GPUs that you may use: {allowed}.",
        "gpu_role_none": "Your roles can't use {gpu}. Choose another, or ask a moderator which role you need.",
        "gpu_role_unknown": "This server restricts some GPUs, and I don't know the default. Please choose one.",
        "budget_waiting": "You already have {limit} requests waiting. Please let one finish, or cancel one.",
        "budget_runs": "You have used your {limit} runs for today. Resets <t:{until}:R>.",
        "budget_gpu": "This needs about {needed} GPU seconds, and you have {left} of {limit} left today. Resets <t:{until}:R>.",
        "server_budget_waiting": "This server already has {limit} requests waiting. Please try again soon.",
        "server_budget_runs": "This server has used its {limit} runs for today. Resets <t:{until}:R>.",
        "server_budget_gpu": "This needs about {needed} GPU seconds, and this server has {left} of {limit} left today. Resets <t:{until}:R>.",
        "daily_limit_count": "You asked for {count}, but today's GPU time allows {possible}. It resets <t:{until}:R>.",
        "budget_waiting_count": "You asked for {count}, but only {possible} more can wait; your limit is {limit}. Please ask for fewer.",
        "budget_runs_count": "You asked for {count} but have {possible} of {limit} runs left today. Resets <t:{until}:R>.",
        "budget_gpu_count": "You asked for {count}, but your {limit} GPU seconds for today allow {possible}. Resets <t:{until}:R>.",
        "server_budget_waiting_count": "You asked for {count}, but only {possible} more can wait; this server's limit is {limit}. Please ask for fewer.",
        "server_budget_runs_count": "You asked for {count}, but this server has {possible} of {limit} runs left today. Resets <t:{until}:R>.",
        "server_budget_gpu_count": "You asked for {count}, but this server's {limit} GPU seconds for today allow {possible}. Resets <t:{until}:R>.",
        "words_refused": "`{option}` contains something that this server doesn't allow. Please change it.",
        "words_unavailable": "I can't read this server's word rules right now, so nothing was started. Please try again in a minute.",
        "words_forbidden": "I can't read this server's AutoMod rules. A server admin can give me Manage Server, "
        "or switch AutoMod off in `/settings`.",
        "pressed_twice": "You've just pressed this. To start another, press it again in a few seconds.",
        "channel_gone": "I can't reach the channel of this request any more, so nothing was started. Please ask elsewhere.",
        "discord_away": "Discord didn't answer, so nothing has changed. Please try again in a minute.",
        "too_many_refusals": "Your last requests were all refused. Please try again <t:{until}:R>.",
        # rules that keep a request waiting
        "rules_unreadable": "I can't read this server's settings. A moderator can repair them in `/settings`.",
        "waits_for_discord": "Discord doesn't answer me right now. I'll ask again <t:{until}:R>.",
        "waits_until_then": "I'll start this then.",
        "waits_until_over": "I'll start this afterwards.",
        "not_allowed_here": "This server's settings don't let you use this here.",
        # moderation
        "review_unreachable": "Requests here wait for a moderator, but I can't post in the review channel. A server admin can fix that in `/settings`.",
        "attachment_expired": "Your file expired while the request waited. Please send the command again with the file.",
        "attachment_unavailable": "Discord didn't give me your file. Please send the command again with the file.",
        "approve_later": "This can't start now, so the card stays. The rule says: {reason}",
        "approve_never": "This can't start any more, so I ended the request. The rule says: {reason}",
        "already_decided": "<@{person}> has already decided this.",
        "review_over": "This has already been decided.",
        "report_over": "This report has already been handled.",
        "own_request": "You can't decide on your own request.",
        "already_deleted": "This has already been deleted.",
        "no_result": "There is no result here to delete or report.",
        "no_review_channel": "Reports would reach nobody: this server has no review channel that I can post in. Please tell a moderator directly.",
        "report_noted": "Thank you. The moderators will look at it.",
        "report_looked_at": "The moderators have seen your report and kept the result. If something is new, please tell a moderator directly.",
        "delete_noted": "It will be deleted in a moment.",
        "rejected": "A moderator didn't approve this request.",
        "requester_blocked": "A moderator ended this request before it started.",
        "requester_blocked_other": "A moderator ended this request and another of yours before they started.",
        "requester_blocked_others": "A moderator ended this request and {others} more of yours before they started.",
        "expired": "No moderator decided in time. You're welcome to ask again.",
        "rejection_notice": "Your request for **{title}** was not approved.",
        "block_notice": "Your request for **{title}** was not started: a moderator has blocked you from generating there.",
        "block_notice_rest": "The rest of your request for **{title}** was not started: a moderator has blocked you from generating there.",
        "block_notice_other": "That ended another of your requests, too.",
        "block_notice_others": "That ended {others} more of your requests, too.",
        "notice_place": "-# **#{channel}** on **{server}**: [open the channel]({url})",
        "notice_link": "-# [Open the channel]({url})",
        "rejection_reason": "The moderator's reason: {reason}",
        "waits_for_approval": "A moderator looks at it first. I'll post the outcome here.",
        "card_heading": "### A request for **{title}** waits for you",
        "card_heading_over": "### A request for **{title}**",
        "card_who": "<@{person}>",
        "card_account": "account created <t:{at}:R>",
        "card_joined": "joined <t:{at}:R>",
        "card_place": "for <#{channel}>",
        "card_cost": "counts as 1 run and about {seconds} GPU seconds",
        "card_cost_several": "counts as {runs} runs and about {seconds} GPU seconds",
        "card_approved": "Approved by <@{person}> <t:{at}:R>",
        "card_rejected": "Rejected by <@{person}> <t:{at}:R>",
        "card_blocked": "<@{person}> blocked the requester <t:{at}:R>, so it was not started.",
        "card_expired": "Nobody decided in time.",
        "card_cancelled": "The requester cancelled it.",
        "card_refused": "It can't start any more, so it has ended. The rule says: {reason}",
        "report_heading": "### A result of **{title}** was reported",
        "report_made_by": "Made by <@{person}>",
        "report_by": "Reported by {people}",
        "report_more": "{count} more",
        "report_restricted": "It is age-restricted, so it is not shown here.",
        "report_gone": "It had already been deleted.",
        "card_gone": "This request no longer exists, so there is nothing to decide.",
        "report_link": "[Open it]({url})",
        "report_deleted": "Deleted by <@{person}>.",
        "report_dismissed": "Dismissed by <@{person}>.",
        "button_approve": "Approve",
        "button_reject": "Reject",
        "button_block": "Block",
        "button_delete": "Delete",
        "button_report": "Report",
        "button_dismiss": "Dismiss",
        "reject_title": "Reject this request",
        "reject_label": "Reason",
        "reject_hint": "The requester reads it in a direct message.",
        "block_title": "Block from generating",
        "block_label": "Reason",
        "block_hint": "The person reads it when they try to generate.",
        "missing_permissions": (
            "I can't show a result here, so I won't start. I need: {missing}. "
            "A server admin can grant that in the channel's settings."
        ),
        "thread_locked": "This thread is locked, so I couldn't post the result. Please use an open one.",
        "age_restricted": "This deployment runs only in channels that are marked as age-restricted.",
        "not_yours": "Only the person who asked can use this.",
        "cancel_not_yours": "Only the person who asked, and people with Manage Messages here, can cancel this.",
        "delete_not_yours": "Only the person who asked and this server's moderators can delete this.",
        "run_gone": "This request no longer exists.",
        "run_ended": "This request has already ended.",
        # cancelling
        "cancel_too_late": "It has already finished.",
        "not_cancellable": "This machine can't stop a run, so the result will still be posted.",
        # the deployment
        "deployment_gone": "That deployment isn't offered any more. Type `/generate` to see what is.",
        # invalid inputs
        "input_required": "`{option}` is required.",
        "input_unknown": "There is no option `{option}`. Did you mean one of these: {choices}?",
        "input_more_syntax": "I can't read `more` from “{text}” on. Write key=value, key=value, with quotes around text that has a comma.",
        "input_twice": "`{option}` was given twice. Please keep one.",
        "input_file_in_more": "`{option}` takes a file, which can't go into `more`. Attach it to its own option.",
        "input_not_integer": "`{option}` needs a whole number, not “{value}”.",
        "input_not_number": "`{option}` needs a number, not “{value}”.",
        "input_not_boolean": "`{option}` is yes or no, not “{value}”.",
        "input_too_small": "`{option}` is {value}; the smallest is {minimum}.",
        "input_too_large": "`{option}` is {value}; the largest is {maximum}.",
        "input_too_short": "`{option}` has {length} characters and needs at least {minimum}.",
        "input_too_long": "`{option}` has {length} characters and takes at most {maximum}.",
        "input_choice": "`{option}` can't be “{value}”. Choose one of: {choices}.",
        "input_not_a_file": "`{option}` needs an attached file.",
        "input_not_text": "`{option}` takes text or a number, not a file.",
        "input_file_type": "`{option}` needs a file of type {expected}; {filename} is {found}.",
        "input_file_empty": "{filename} is empty. Please attach another file.",
        "input_file_too_large": "{filename} is larger than {limit_mib} MiB. Please attach a smaller one.",
        "input_count": "`{option}` can be any whole number from 1 to {maximum} here.",
        "input_gpu": "{value} isn't offered here. Choose one of: {choices}.",
        # errors of ComfyDeploy
        "comfy_redirected": "ComfyDeploy's address in the bot's settings is wrong, so nothing was started. The bot's operator can correct it.",
        "comfy_not_cancellable": "This machine can't stop a run, so the result will still be posted.",
        "comfy_failed": "ComfyDeploy didn't take the request. Please try again later.",
        "comfy_unauthorized": "ComfyDeploy didn't accept the bot's API key. The bot's operator has to replace it.",
        "comfy_forbidden": "ComfyDeploy won't run this: the account is out of credits or suspended. "
        "The bot's operator can look into it.",
        "comfy_not_found": "ComfyDeploy doesn't know this deployment any more. The bot's operator has to update it.",
        "comfy_machine": "The machine behind this deployment refused the request, so nothing was made. "
        "The bot's operator can look at it in ComfyDeploy.",
        "comfy_rejected": "The machine didn't accept the workflow. Nothing was made. "
        "Other inputs may work; if not, please tell the bot's operator.",
        "comfy_invalid": "ComfyDeploy didn't accept these inputs: {fields}. Please change them and try again.",
        "comfy_invalid_unnamed": "ComfyDeploy didn't accept the inputs. Please change them and try again.",
        "comfy_rate_limited": "ComfyDeploy is too busy right now. Please try again in a few minutes.",
        "comfy_unreachable": "I can't reach ComfyDeploy right now. Nothing was started; please try again later.",
        "comfy_server_error": "ComfyDeploy had a problem (error {status}) and didn't confirm the run. If it turns up, I'll post the result here.",
        "comfy_timeout": "ComfyDeploy didn't confirm the run. If it turns up, I'll post the result here.",
        "comfy_bad_reply": "ComfyDeploy's answer was unreadable, so I can't tell whether the run started. If it turns up, I'll post the result here.",
        # outcomes of runs
        "run_failed": "The run failed on the machine, and ComfyDeploy gives no reason. Other inputs may work; "
        "if it keeps failing, please tell the bot's operator.",
        "run_failed_because": "The run failed on the machine: “{error}”. Other inputs may work; "
        "if it keeps failing, please tell the bot's operator.",
        "run_timed_out": "The run took too long, and ComfyDeploy stopped it. A smaller size or fewer steps may help.",
        "run_cancelled": "The run was cancelled at ComfyDeploy, not by me. The bot's operator may know why.",
        "made_before_failed": "This is what was made before it failed.",
        "made_before_timed_out": "This is what was made before it timed out.",
        "made_before_cancelled": "This is what was made before it was cancelled.",
        "cancelled_by_moderator": "A moderator cancelled this request.",
        "cancelled_by_requester": "Cancelled, as you asked.",
        "deadline": "The run took too long, so I stopped it. A smaller size or fewer steps may help.",
        "deadline_running": "The run took too long, so I stopped waiting. A smaller size or fewer steps may help. "
        "If it finishes after all, I'll post the result here.",
        "no_outputs": "The run finished but made nothing that can be shown. Other inputs may work; "
        "if not, please tell the bot's operator.",
        # outputs
        "media_too_large": "{name} is too large to upload here: [open it]({url}) while the link works.",
        "media_unavailable": "{name} couldn't be fetched: [try it yourself]({url}) while the link works.",
        "media_linked": "I couldn't attach {name}: [open it]({url}) while the link works.",
        "media_forbidden": "{name} is at an address I'm not allowed to open.",
        "media_recompressed": "{name} was recompressed to fit this server's upload limit.",
        # outcomes that can't be shown as usual
        "plain_result": "This is done, but I couldn't show it as usual. Here it is, plainly:",
        "plain_hidden": "This is done, but I couldn't show it. Press Details, or ask again.",
        "plain_ended": "This has ended without a result. Press Details to see your request.",
        "title_undelivered": "Couldn't be posted",
        "undelivered": "This has ended, but I couldn't post it here. Please open `/runs`.",
        "media_more": "{count} more files didn't fit into this message.",
        "from_elsewhere": "I couldn't post this in [the channel you asked in]({url}), so here it is.",
        "from_elsewhere_late": "I couldn't answer where you asked in time, so here it is.",
        "mention": "<@{user}>",
        # titles and labels
        "title_waiting": "Waiting for a free slot",
        "title_held": "Not started yet",
        "title_approval": "Waiting for approval",
        "title_submitting": "Starting",
        "title_machine": "Starting the machine",
        "title_queued": "In the queue",
        "title_running": "Generating",
        "title_uploading": "Finishing up",
        "title_cancelling": "Cancelling",
        "title_succeeded": "Done",
        "title_partial": "Partly done",
        "title_failed": "That didn't work",
        "title_cancelled": "Cancelled",
        "title_timed_out": "Timed out",
        "title_refused": "Not started",
        "title_rejected": "Not approved",
        "title_expired": "Nobody decided in time",
        "title_unconfirmed": "Not confirmed",
        "position": "number {position} in the queue",
        "next_in_queue": "next in the queue",
        "position_alone": "Number {position} in the queue",
        "next_in_queue_alone": "Next in the queue",
        "since": "asked <t:{at}:R>",
        # Worded to fit before and after that time: clients show "in 40 seconds", and later "5 seconds ago".
        "expected": "Result expected <t:{at}:R>",
        "took": "took {seconds} s",
        "counted": "counts as {seconds} s",
        "charged_time": "its GPU time was charged",
        "charged_nothing": "nothing was charged",
        "gpu": "GPU {gpu}",
        "seed": "seed {seed}",
        "button_cancel": "Cancel",
        "button_again": "Again",
        "button_try_again": "Try again",
    }
)


def say(code: str, **params: object) -> str:
    """Return the sentence for a code with its placeholders filled in."""
    sentence = SENTENCES.get(code)
    if sentence is None:
        log.error("found no sentence for code %r", code)
        return SENTENCES["internal"]
    try:
        return sentence.format_map(params)
    except (KeyError, IndexError, ValueError):
        log.exception("can't fill in sentence %r with %s", code, sorted(params))
        return SENTENCES["internal"]


def explain(error: BotError) -> str:
    """Return the sentence for an error; several mistakes get a line each."""
    if isinstance(error, InputErrors):
        return "\n".join(explain(each) for each in error.errors)
    code = error.code
    if code == "comfy_invalid" and not error.params.get("fields"):
        code = "comfy_invalid_unnamed"
    return say(code, **error.params)
