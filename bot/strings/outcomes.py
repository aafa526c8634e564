"""Sentences about how a run ended, and about its outputs."""

OUTCOMES = {
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
    "comfy_machine_failed": "The machine behind this deployment failed and didn't confirm the run. "
    "If it turns up, I'll post the result here. The bot's operator can look at it in ComfyDeploy.",
    "comfy_timeout": "ComfyDeploy didn't confirm the run. If it turns up, I'll post the result here.",
    "comfy_bad_reply": "ComfyDeploy's answer was unreadable, so I can't tell whether the run started. If it turns up, I'll post the result here.",
    # ends of runs
    "run_failed": "This one didn't work: the workflow hit an error.",
    "run_failed_memory": "This one didn't work: the machine ran out of memory. A smaller size may help.",
    "run_failed_input": "This one didn't work: the workflow refused an input. Please change it and try again.",
    "run_failed_because": "The workflow hit an error: “{error}”. Other inputs may work; "
    "if not, please tell the bot's operator.",
    "run_failed_unexplained": "The workflow hit an error. I don't know the reason so far. Other inputs may work; "
    "if not, please tell the bot's operator.",
    "run_timed_out": "The run took too long, and ComfyDeploy stopped it. A smaller size or fewer steps may help.",
    "run_cancelled": "The run was cancelled at ComfyDeploy, not by me. The bot's operator may know why.",
    "made_before_failed": "This is what was made before it failed.",
    "made_before_timed_out": "This is what was made before it timed out.",
    "made_before_cancelled": "This is what was made before it was cancelled.",
    "cancelled_by_moderator": "A moderator cancelled this request.",
    "cancelled_by_requester": "You cancelled this request.",
    "deadline": "The run took too long, so I stopped it. A smaller size or fewer steps may help.",
    "deadline_running": "The run took too long, so I stopped waiting. A smaller size or fewer steps may help. "
    "If it finishes after all, I'll post the result here.",
    "deadline_unreadable": "I can't read ComfyDeploy's reports about this run, so I stopped it. "
    "If that changes, I'll post the result here.",
    "no_outputs": "The run finished but made nothing that can be shown. Other inputs may work; "
    "if not, please tell the bot's operator.",
    # outputs
    "media_too_large": "{name} is too large to upload here: [open it]({url}) while the link works.",
    "media_unavailable": "{name} couldn't be fetched: [try it yourself]({url}) while the link works.",
    "media_linked": "I couldn't attach {name}: [open it]({url}) while the link works.",
    "media_link_attached": "I couldn't attach {name}: open the link in {file} while it works.",
    "link_too_long": "(the link is too long to show)",
    "media_forbidden": "{name} is at an address I'm not allowed to open.",
    "media_recompressed": "{name} was recompressed to fit this server's upload limit.",
    # outcomes that can't be shown as usual
    "plain_result": "This is done, but I couldn't show it as usual. Here it is, plainly:",
    "plain_hidden": "This is done, but I couldn't show it. Press Details, or request it again.",
    "plain_ended": "This has ended without a result. Press Details to see your request.",
    "title_undelivered": "Couldn't be posted",
    "undelivered": "This has ended, but I couldn't post it here. Please open `/runs`.",
    "media_more": "{count} more files didn't fit into this message.",
    "from_elsewhere": "I couldn't post this in [the channel of the request]({url}), so here it is.",
    "mention": "<@{user}>",
}
