"""Post a single result of a batch, and share a result after asking whether to show its prompt."""

from __future__ import annotations

from bot.domain.results.sharing import CopyRequest
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import Interaction, actor_of, check_overrides
from bot.gateway.payloads import form_values
from bot.services import sharing
from bot.strings import say
from bot.ui.custom_ids import ShareId
from bot.ui.shares import PROMPT_FIELD, share_modal


async def post_single(interaction: Interaction, key: str) -> None:
    """Post a single result of a batch in its channel."""
    await check_overrides(interaction)
    copy = await sharing.post(interaction.client.app, actor_of(interaction), key)
    await _make(interaction, copy, "post_done")


async def open_share(interaction: Interaction, key: str) -> None:
    """Ask whether to show the prompt. A result without a prompt is shared immediately."""
    await check_overrides(interaction)
    run = await sharing.check(interaction.client.app, actor_of(interaction), key)
    if run.prompt:
        await interaction.response.send_modal(share_modal(key))
    else:
        await _share(interaction, key, with_prompt=False)


async def _submitted(interaction: Interaction, id: ShareId) -> None:
    await check_overrides(interaction)
    await _share(interaction, id.key, with_prompt=form_values(interaction).get(PROMPT_FIELD) == "yes")


async def _share(interaction: Interaction, key: str, *, with_prompt: bool) -> None:
    app, actor = interaction.client.app, actor_of(interaction)
    copy = await sharing.share(app, actor, key, with_prompt=with_prompt)
    await _make(interaction, copy, "share_done")


async def _make(interaction: Interaction, copy: CopyRequest, code: str) -> None:
    """Post a copy while the user waits, and tell them where it is by the sentence `code`."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    url = await interaction.client.messenger.copy(copy)
    await tell(interaction, say(code, url=url))


async def setup(bot: GenerateBot) -> None:
    bot.add_form(ShareId, _submitted)
