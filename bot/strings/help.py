"""Sentences for `/help`, which are merged into `bot.strings.SENTENCES`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

HELP: Mapping[str, str] = MappingProxyType(
    {
        "command_help": "Show what you can generate here, your limits, and tips",
        "greeting": "### Hello! I generate what you describe.\n- Try {generate} in any channel where I may post, such as this one. {help} shows what I can make.\n- Moderators set limits, approval and blocked words with {settings}. By default everybody may start.\n- **Server Settings → Integrations** lets you choose channels and roles for my commands.",
        "help_heading": "### What you can generate here",
        "help_line": "**{title}** {path}\n-# {description}",
        "help_line_plain": "**{title}** {path}",
        "help_more": "-# And {count} more.",
        "help_tips": "**How to get good results**\n- Say what is in the picture first, then how it should look: subject, light, style.\n- Found something you like? Press Edit and change one thing. The seed keeps the rest similar.\n- Details shows the inputs that were sent, and a command you can copy.",
        "help_tip_count": "- Want a choice? `count` makes several at once, each with its own seed.",
        "help_tip_picture": "- To start from a picture, open its message's menu. Choose Apps, then Use as input.",
        # help: the user's own limits
        "help_rules": "**Your limits here**",
        "help_rules_unread": "I can't read your limits right now. Please try again in a moment.",
        "help_rules_reviewed": "- A moderator looks at each request of yours before it starts.",
        "help_rules_reviewed_some": "- A moderator approves requests with these first: {names}.",
        "help_rules_not_reviewed": "- Your requests start without a moderator's approval.",
        "help_rules_runs": "- You have {left} of {limit} runs left today.",
        "help_rules_gpu": "- You have {left} of {limit} GPU seconds left today.",
        "help_rules_server_runs": "- The whole server has {left} of {limit} runs left today.",
        "help_rules_server_gpu": "- The whole server has {left} of {limit} GPU seconds left today.",
        "help_rules_unlimited": "- There is no daily limit on your runs.",
        "help_rules_resets": "- Limits reset <t:{until}:R>.",
        "help_rules_at_once": "- At most {limit} of your runs are active at once; more wait in the queue.",
        "help_rules_default": "- `/generate` for {title} starts from the preset **{name}** here. What you type overrides it.",
        "help_rules_default_gap": "- `/generate` for {title} starts from the preset **{name}** here. What you type goes where `{{prompt}}` stands; options you choose win over the preset.",
        "help_rules_private": "- With `private`, only you and the moderators can see a result.",
        "help_rules_closed": "- Your roles can't use {names}.",
        "help_rules_closed_gpus": "- Your roles can't use these GPUs: {names}.",
        "help_rules_age": "- {names}: only in channels marked as age-restricted, which this one isn't.",
        "help_rules_age_here": "- {names}: only in channels marked as age-restricted, like this one.",
        # help: the other commands
        "help_commands": "**More commands**",
        "help_command_runs": "- {runs} lists your requests, to open, cancel or post again.",
        "help_command_queue": "- {queue} shows what is running and waiting on this server.",
        "help_command_presets": "- {save} keeps a request's inputs under a name. {use} uses them again.",
        "help_command_usage": "- {usage} shows what you have used today.",
        "help_command_privacy": "- {export} sends you what I keep about you. {delete} deletes it.",
    }
)
