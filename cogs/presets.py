"""`/preset`: named sets of inputs, one's own and the server's."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import LayoutView

from bot.domain.requests import NAME_LENGTH
from bot.domain.text import escape_line
from bot.gateway.client import GenerateBot, tell
from bot.gateway.dynamic_items import page_button, show_list
from bot.gateway.interactions import Interaction, check_here, check_overrides, member_of, requester_of
from bot.gateway.replies import _shown, answer_generated
from bot.services.presets import PresetDraft, PresetService
from bot.strings import say
from bot.ui.custom_ids import PRESETS_PATTERN
from bot.ui.lists import presets_layout

_Name = Range[str, 1, NAME_LENGTH]


async def _layout(interaction: Interaction, page: int) -> LayoutView:
    desk, bot = interaction.client.presets, interaction.client
    found, more = await desk.page(interaction.user.id, interaction.guild_id, page)
    return presets_layout(found, page, more=more, title=bot.desk.title)


_PresetsButton = page_button(PRESETS_PATTERN, _layout)


class Presets(commands.GroupCog, group_name="preset", group_description=say("command_preset")):
    """Only `use` is seen by others: it generates."""

    def __init__(self, bot: GenerateBot, desk: PresetService) -> None:
        super().__init__()
        self._bot = bot
        self._desk = desk

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(_PresetsButton)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(_PresetsButton)

    @app_commands.command(name="save", description=say("command_preset_save"))
    @app_commands.describe(
        name=say("option_preset_name"),
        run=say("option_preset_run"),
        prompt=say("option_preset_prompt"),
        seed=say("option_preset_seed"),
        server=say("option_preset_server"),
    )
    async def save(
        self,
        interaction: Interaction,
        name: _Name,
        *,
        run: Range[str, 1, 20] | None = None,
        prompt: Range[str, 1, 4000] | None = None,
        seed: bool = False,
        server: bool = False,
    ) -> None:
        wish = PresetDraft(name=name, run_key=run, prompt=prompt, seed=seed, server=server)
        saved = await self._desk.save(member_of(interaction), interaction.guild_id, wish)
        title = escape_line(self._bot.desk.title(saved.preset.deployment), 60)
        code = "preset_replaced" if saved.replaced else "preset_saved"
        told = [say(code, name=_shown(saved.preset.name), title=title)]
        if saved.files_left:
            told.append(say("preset_files_left"))
        await tell(interaction, "\n".join(told))

    @app_commands.command(name="use", description=say("command_preset_use"))
    @app_commands.describe(name=say("option_preset_name"), prompt=say("option_preset_use_prompt"))
    async def use(
        self, interaction: Interaction, name: _Name, prompt: Range[str, 1, 6000] | None = None
    ) -> None:
        await check_overrides(interaction)
        check_here(interaction)
        requester = requester_of(interaction, self._bot.desk.now())
        await answer_generated(interaction, await self._desk.use(name, prompt, requester))

    @app_commands.command(name="list", description=say("command_preset_list"))
    async def list_(self, interaction: Interaction) -> None:
        await show_list(interaction, _layout)

    @app_commands.command(name="delete", description=say("command_preset_delete"))
    @app_commands.describe(name=say("option_preset_name"), server=say("option_preset_server"))
    async def delete(self, interaction: Interaction, name: _Name, *, server: bool = False) -> None:
        await self._desk.delete(member_of(interaction), interaction.guild_id, name, server=server)
        await tell(interaction, say("preset_deleted", name=_shown(name)))

    @app_commands.command(name="share", description=say("command_preset_share"))
    @app_commands.describe(name=say("option_preset_name"))
    @app_commands.guild_only()
    async def share(self, interaction: Interaction, name: _Name) -> None:
        shared = await self._desk.share(member_of(interaction), interaction.guild_id, name)
        await tell(interaction, say("preset_shared", name=_shown(shared.name)))

    @use.autocomplete("name")
    @delete.autocomplete("name")
    @share.autocomplete("name")
    async def _suggest(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        found = await self._desk.suggest(interaction.user.id, interaction.guild_id, typed)
        return [Choice(name=one.name, value=str(one.value)) for one in found]

    @save.autocomplete("run")
    async def _suggest_runs(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        found = await self._desk.suggest_runs(interaction.user.id, typed)
        return [Choice(name=one.name, value=str(one.value)) for one in found]


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Presets(bot, bot.presets))
