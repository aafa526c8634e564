"""`/preset` manages named sets of inputs, the user's own and the server's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import LayoutView

from bot.deployments.catalogue import Catalogue
from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.deployments.model import Input
from bot.domain.presets import NAME_LENGTH, Holder, Preset, folded
from bot.domain.text import escape_line
from bot.gateway.client import GenerateBot, tell
from bot.gateway.dynamic_items import PersistentItem, page_button, show_list
from bot.gateway.guild import GuildInfo
from bot.gateway.interactions import (
    Interaction,
    member_of,
    rules_guild_id,
    settings_channel_id,
)
from bot.gateway.replies import escape_name, start
from bot.services.presets.inputs import has_gap
from bot.services.presets.service import NameTaken, PresetDraft, PresetService, SavedPreset
from bot.strings import say
from bot.ui.custom_ids import PresetsId, ReplaceId
from bot.ui.lists import presets_layout, replace_layout, run_label, text_layout

_Name = Range[str, 1, NAME_LENGTH]


async def _page(interaction: Interaction, page: int) -> LayoutView:
    services = interaction.client.services
    presets, more = await services.presets.page(interaction.user.id, interaction.guild_id, page)
    default = await services.presets.default_of(rules_guild_id(interaction), settings_channel_id(interaction))

    def inputs(preset: Preset) -> ShownInputs:
        return displayed_inputs(services.catalogue.get(preset.deployment), preset.inputs)

    return presets_layout(
        presets, page, more=more, title=services.catalogue.title, inputs=inputs, default=default
    )


_PresetsButton = page_button(PresetsId, _page)


class ReplaceButton(PersistentItem[ReplaceId], codec=ReplaceId):
    """The button *Replace*, under the question whether to replace the preset that already has the name."""

    async def pressed(self, interaction: Interaction, id: ReplaceId) -> None:
        services = interaction.client.services
        saved = await services.presets.replace(member_of(interaction), interaction.guild_id, id.draft)
        if isinstance(saved, NameTaken):
            layout = _question(interaction, saved)
        else:
            layout = text_layout(_saved_text(services.catalogue, saved))
        await interaction.response.edit_message(view=layout)


async def _answer(interaction: Interaction, saved: SavedPreset | NameTaken, *, copied: bool = False) -> None:
    """Say that a preset was saved, or ask whether to replace the one that has its name."""
    if isinstance(saved, NameTaken):
        await interaction.response.send_message(view=_question(interaction, saved), ephemeral=True)
    else:
        await tell(interaction, _saved_text(interaction.client.services.catalogue, saved, copied=copied))


def _question(interaction: Interaction, taken: NameTaken) -> LayoutView:
    catalogue, earlier = interaction.client.services.catalogue, taken.earlier
    inputs = displayed_inputs(catalogue.get(earlier.deployment), earlier.inputs)
    guild = interaction.guild
    # A default stays stored when its channel is deleted.
    there = GuildInfo(guild).all_channel_ids if guild is not None else frozenset()
    default_in = [each for each in taken.default_in if each in there]
    return replace_layout(earlier, catalogue.title, inputs, ReplaceId(taken.draft).encode(), default_in)


def _saved_text(catalogue: Catalogue, saved: SavedPreset, *, copied: bool = False) -> str:
    """Return the sentences about a saved preset.

    If a copy for the server replaced no other preset, the only sentence says that everybody there can use it.
    """
    name = escape_name(saved.preset.name)
    sentences: list[str] = []
    if saved.replaced or not copied:
        title = escape_line(catalogue.title(saved.preset.deployment), 60)
        sentences.append(say("preset_replaced" if saved.replaced else "preset_saved", name=name, title=title))
    if saved.preset.holder is Holder.SERVER:
        sentences.append(say("preset_shared", name=name))
    if saved.files_left:
        sentences.append(say("preset_files_left"))
    return "\n".join(sentences)


class Presets(commands.GroupCog, group_name="preset", group_description=say("command_preset")):
    """The subcommands of `/preset`. Answers are ephemeral, except that `use` generates in the channel."""

    def __init__(self, presets: PresetService, catalogue: Catalogue) -> None:
        super().__init__()
        self._presets = presets
        self._catalogue = catalogue

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
        draft = PresetDraft(name=name, run_key=run, prompt=prompt, seed=seed, server=server)
        saved = await self._presets.save(member_of(interaction), interaction.guild_id, draft)
        await _answer(interaction, saved)

    @app_commands.command(name="use", description=say("command_preset_use"))
    @app_commands.describe(name=say("option_preset_name"), prompt=say("option_preset_use_prompt"))
    async def use(
        self, interaction: Interaction, name: _Name, prompt: Range[str, 1, 6000] | None = None
    ) -> None:
        await start(interaction, lambda requester: self._presets.use(name, prompt, requester))

    @app_commands.command(name="list", description=say("command_preset_list"))
    async def list_(self, interaction: Interaction) -> None:
        await show_list(interaction, _page)

    @app_commands.command(name="delete", description=say("command_preset_delete"))
    @app_commands.describe(name=say("option_preset_name"), server=say("option_preset_server"))
    async def delete(self, interaction: Interaction, name: _Name, *, server: bool = False) -> None:
        await self._presets.delete(member_of(interaction), interaction.guild_id, name, server=server)
        await tell(interaction, say("preset_deleted", name=escape_name(name)))

    @app_commands.command(name="share", description=say("command_preset_share"))
    @app_commands.describe(name=say("option_preset_name"))
    async def share(self, interaction: Interaction, name: _Name) -> None:
        shared = await self._presets.share(member_of(interaction), interaction.guild_id, name)
        await _answer(interaction, shared, copied=True)

    @app_commands.command(name="default", description=say("command_preset_default"))
    @app_commands.describe(name=say("option_preset_default"))
    async def default(self, interaction: Interaction, name: _Name | None = None) -> None:
        channel_id = settings_channel_id(interaction)
        default = await self._presets.set_default(
            member_of(interaction), rules_guild_id(interaction), channel_id, name
        )
        if default is None:
            await tell(interaction, say("default_removed", channel=channel_id))
            return
        path = self._catalogue.plan.path_of(default.preset.deployment)
        deployment = self._catalogue.get(default.preset.deployment)
        gap = deployment is not None and has_gap(deployment, default.preset)
        code = "default_set_gap" if gap else "default_set"
        sentence = say(code, channel=channel_id, path=path, name=escape_name(default.preset.name))
        sentences = [sentence, *_unused_texts(default.unused)]
        if default.earlier is not None:
            sentences.insert(1, say("default_replaces", **self._names(default.earlier)))
        await tell(interaction, "\n".join(sentences))

    def _names(self, preset: Preset) -> dict[str, str]:
        title = escape_line(self._catalogue.title(preset.deployment), 60)
        return {"name": escape_name(preset.name), "title": title}

    @use.autocomplete("name")
    async def _suggest_usable(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        return await self._suggest(interaction, prefix, offered=True)

    @delete.autocomplete("name")
    async def _suggest_deletable(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        if not getattr(interaction.namespace, "server", False):
            return await self._suggest(interaction, prefix, holder=Holder.PERSON)
        if not member_of(interaction).manages_server:
            return []
        return await self._suggest(interaction, prefix, holder=Holder.SERVER)

    @share.autocomplete("name")
    async def _suggest_own(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        if not member_of(interaction).manages_server:
            return []
        return await self._suggest(interaction, prefix, holder=Holder.PERSON)

    @default.autocomplete("name")
    async def _suggest_default(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        if not member_of(interaction).manages_channels:
            return []
        return await self._suggest(interaction, prefix, holder=Holder.SERVER, offered=True)

    async def _suggest(
        self, interaction: Interaction, prefix: str, *, holder: Holder | None = None, offered: bool = False
    ) -> list[Choice[str]]:
        user_id, guild_id = interaction.user.id, interaction.guild_id
        presets = await self._presets.suggest(user_id, guild_id, prefix, holder=holder, offered=offered)
        return [Choice(name=preset.name, value=str(preset.value)) for preset in presets]

    @save.autocomplete("run")
    async def _suggest_runs(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        runs = await self._presets.suggest_runs(interaction.user.id)
        labels = [(run_label(run, self._catalogue.title), run.key) for run in runs]
        text = folded(prefix)
        return [Choice(name=label, value=key) for label, key in labels if text in label.casefold()]


def _unused_texts(inputs: Sequence[Input]) -> Iterator[str]:
    """Yield sentences about saved inputs that never apply, because users always have to type them."""
    if any(item.is_prompt for item in inputs):
        yield say("default_prompt_replaced")
    others = [f"`{item.option}`" for item in inputs if not item.is_prompt]
    if others:
        yield say("default_replaced", options=", ".join(others))


async def setup(bot: GenerateBot) -> None:
    bot.add_dynamic_items(_PresetsButton, ReplaceButton)
    await bot.add_cog(Presets(bot.services.presets, bot.services.catalogue))
