"""Sentences about copies of results, which users create with Post and Share.

They are merged into `bot.strings.SENTENCES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SHARING: Mapping[str, str] = MappingProxyType(
    {
        "button_post": "Post",
        "button_share": "Share",
        "share_title": "Share your result",
        "share_prompt_label": "Show the prompt",
        "share_prompt_hint": "Everybody who sees the gallery channel can read it.",
        "share_done": "Shared: [open]({url})",
        "post_done": "Posted: [open]({url})",
        "share_heading": "**{title}** by <@{user}>",
        "share_link": "[Open the original]({url})",
        # refusals, at the press or when posting
        "copy_not_yours": "Only the requester can post or share this.",
        "copy_private": "This is private, so I can't post or share it. Please generate it without `private`.",
        "copy_elsewhere": "This works only on the server of the request. Please press it there.",
        "copy_pending": "This is already on its way. Please wait a moment.",
        "copy_file_gone": "The file of this result is gone, so I can't post it. Please generate again.",
        "copy_result_deleted": "The result was deleted, so I can't post or share it.",
        "copy_blocked": "A moderator has blocked you there, so I didn't post this.",
        "copy_failed": "I couldn't post this. Please press the button again in a few minutes.",
        "copy_unknown": "Discord didn't answer. Please press it again in a minute; I won't post it twice.",
        "post_there": "This has been posted already: [open it]({url}).",
        "post_deleted": "A moderator deleted this after it was posted, so I won't post it again.",
        "post_closed": "I can't post in that channel any more. A moderator can give me access.",
        "post_age": "This is age-restricted, and its channel isn't any more, so I didn't post it.",
        "share_there": "This has been shared already: [open it]({url}).",
        "share_deleted": "A moderator deleted this after it was shared, so I won't share it again.",
        "share_no_gallery": "This server has no gallery channel. A moderator can choose one in `/settings`.",
        "share_closed": "I can't post in the gallery channel. A moderator can fix that in `/settings`.",
        "share_moved": "The gallery channel was changed meanwhile. Please press Share again.",
        "share_words": "The prompt has something that isn't allowed there. Please share it without the prompt.",
        "share_text": "The result's text has something that isn't allowed in the gallery channel.",
        "share_age": "This is age-restricted, and the gallery channel isn't, so I can't share it there.",
    }
)
