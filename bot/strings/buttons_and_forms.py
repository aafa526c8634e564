"""Sentences on buttons, in forms and in answers to buttons."""

BUTTONS = {
    # batches
    "several_title": "{title} ×{count}",
    "several_done": "{done} of {count} done",
    "several_done_failed": "{done} of {count} done, {failed} not",
    "several_waiting": "{count} waiting; the first is {place}",
    "several_waiting_one": "1 waiting, {place}",
    "failed_free": "{reason} No GPU time was used.",
    "failed_free_cancelled": "Cancelled in time: nothing was used.",
    "failed_charged": "{reason} Some of your GPU time was used.",
    "several_took": "{seconds} s of GPU time",
    "several_deleted": "Deleted.",
    "several_hint": "Pick a number to {actions} it.",
    # edit forms
    "edit_title": "Edit: {title}",
    "edit_label_gpu": "GPU",
    "edit_label_count": "Number of runs",
    "edit_label_more": "More",
    "edit_keep_file": "Leave it empty to keep the earlier file.",
    "edit_file_deleted": "The earlier file was deleted. Please attach another.",
    "edit_long_text": "Too long for this form. Leave it empty to keep it. Details has it.",
    "edit_gone": "“{value}” isn't offered any more. Choose another.",
    "draft_forgotten": "I don't have what you typed any more. Please use the command again.",
    "edit_dropped": "These inputs didn't fit and were left out: {names}.",
    # details
    "details_asked": "requested <t:{at}:f>",
    "details_queued": "queued <t:{at}:T>",
    "details_started": "started <t:{at}:T>",
    "details_ended": "ended <t:{at}:T>",
    "details_took": "took {seconds} s",
    "details_parent": "made from `{key}`",
    "details_parent_link": "made from [`{key}`]({url})",
    "details_command": "To run the same again, copy this:\n```\n{command}\n```",
    "details_log": "The end of its log, which only the requester and moderators see:",
    "details_erased": "The inputs were deleted, so no command repeats this.",
    "details_gone": "This deployment isn't offered any more, so no command repeats this.",
    "details_command_in_file": "Backticks in this command would break it here. Please copy it from the file.",
    "details_in_file": "That is too long to show here. The file has all of it, and the command to copy.",
    "details_hidden": "Only the requester and the moderators can see this before it is approved.",
    # user installs
    "answer_lives": "I'm not a member here, so I can answer for 15 minutes. "
    "A result that takes longer comes as a direct message, or waits in `/runs`.",
    "answer_lives_age": "I'm not a member here, so I can answer for 15 minutes. "
    "To see a later result, use `/runs` in an age-restricted channel.",
    # presets
    "preset_used": "preset: {name}",
    "preset_used_own": "your default",
    "preset_field_name": "Name",
    "preset_field_seed": "Keep the seed",
    "preset_field_server": "For this server",
    # private results
    "answer_private_lives": "If it takes more than 15 minutes, look in your direct messages or in `/runs`.",
    "answer_private_lives_age": "If it takes more than 15 minutes, use `/runs` in an age-restricted channel.",
    "from_private": "I couldn't answer privately in [that channel]({url}) any more, so here it is.",
    "private_off": "Private results are off here. A server admin can allow them in `/settings`.",
    "private_server_only": "Private results work only on servers that I'm a member of.",
    "open_nothing": "This request has no result to open.",
    "open_busy": "I'm still opening a private result for you. Please wait for it.",
    "private_refused": "Discord refused to show this result. Please tell the bot's operator.",
    "answer_ends": "This takes longer than I can answer here. "
    "The result comes as a direct message, or waits in `/runs`.",
    "answer_ends_age": "This takes longer than I can answer here. "
    "To see the result, use `/runs` in an age-restricted channel.",
    "answer_too_late": "The queue was too long to answer here in time, so nothing was started. "
    "Please try again later.",
    # pictures as input
    "use_menu": "Use as input",
    "use_title": "New from this picture",
    "use_no_picture": "This message has no picture that I can use. PNG, JPEG and WebP files work.",
    "use_nobody": "None of the deployments here takes a picture.",
    "use_stale": "I can't find that picture any more. Please use the message's menu once more.",
    # follow-ups that the operator configured
    "follow_up_gone": "This isn't offered any more, so nothing was started. More under a result shows what is.",
    "follow_up_no_file": "I can't find the file of this result. Attach it to a new request.",
}
