"""`/preset` manages named sets of inputs, the user's own and the server's."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import LayoutView

from bot.deployments.catalogue import Catalogue
from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.domain.presets import NAME_LENGTH, Holder, Preset, folded
from bot.domain.text import escape_line
from bot.gateway.client import GenerateBot, PersistentItem, tell
from bot.gateway.guild import GuildInfo
from bot.gateway.interactions import Interaction, actor_of, member_of, rules_guild_id, settings_channel_id
from bot.gateway.payloads import page_button, show_list
from bot.gateway.replies import escape_name
from bot.services import presets
from bot.services.preset_inputs import has_gap
from bot.services.presets import NameTaken, SavedPreset
from bot.strings import say
from bot.ui.custom_ids import DraftId, PresetsId, ReplaceId
from bot.ui.lists import presets_layout, replace_layout, run_label, text_layout
from cogs.drafts import begin

_Name = Range[str, 1, NAME_LENGTH]


async def _page(interaction: Interaction, page: int) -> LayoutView:
    app = interaction.client.app
    found, more = await presets.page(app, interaction.user.id, interaction.guild_id, page)
    default = await presets.default_of(app, rules_guild_id(interaction), settings_channel_id(interaction))

    def inputs(preset: Preset) -> ShownInputs:
        return displayed_inputs(app.catalogue.get(preset.deployment), preset.inputs)

    return presets_layout(found, page, more=more, title=app.catalogue.title, inputs=inputs, default=default)


_PresetsButton = page_button(PresetsId, _page)


class ReplaceButton(PersistentItem[ReplaceId], codec=ReplaceId):
    """The button *Replace*, under the question whether to replace the preset that already has the name."""

    async def pressed(self, interaction: Interaction, id: ReplaceId) -> None:
        app = interaction.client.app
        saved = await presets.replace_earlier(app, actor_of(interaction), id.draft)
        if isinstance(saved, NameTaken):
            layout = _question(interaction, saved)
        else:
            layout = text_layout(_saved_text(app.catalogue, saved))
        await interaction.response.edit_message(view=layout)


async def _answer(interaction: Interaction, saved: SavedPreset | NameTaken, *, copied: bool = False) -> None:
    """Say that a preset was saved, or ask whether to replace the one that has its name."""
    if isinstance(saved, NameTaken):
        await interaction.response.send_message(view=_question(interaction, saved), ephemeral=True)
    else:
        await tell(interaction, _saved_text(interaction.client.app.catalogue, saved, copied=copied))


def _question(interaction: Interaction, taken: NameTaken) -> LayoutView:
    catalogue, earlier = interaction.client.app.catalogue, taken.earlier
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
        app, actor = interaction.client.app, actor_of(interaction)
        saved = await presets.save(app, actor, name, run_key=run, prompt=prompt, seed=seed, server=server)
        await _answer(interaction, saved)

    @app_commands.command(name="use", description=say("command_preset_use"))
    @app_commands.describe(name=say("option_preset_name"), prompt=say("option_preset_use_prompt"))
    async def use(
        self, interaction: Interaction, name: _Name, prompt: Range[str, 1, 6000] | None = None
    ) -> None:
        user_id, guild_id = interaction.user.id, interaction.guild_id
        deployment, typed = await presets.use(interaction.client.app, user_id, guild_id, name, prompt)
        await begin(interaction, DraftId("", deployment), typed=typed)

    @app_commands.command(name="list", description=say("command_preset_list"))
    async def list_(self, interaction: Interaction) -> None:
        await show_list(interaction, _page)

    @app_commands.command(name="delete", description=say("command_preset_delete"))
    @app_commands.describe(name=say("option_preset_name"), server=say("option_preset_server"))
    async def delete(self, interaction: Interaction, name: _Name, *, server: bool = False) -> None:
        await presets.delete(interaction.client.app, actor_of(interaction), name, server=server)
        await tell(interaction, say("preset_deleted", name=escape_name(name)))

    @app_commands.command(name="share", description=say("command_preset_share"))
    @app_commands.describe(name=say("option_preset_name"))
    async def share(self, interaction: Interaction, name: _Name) -> None:
        shared = await presets.share(interaction.client.app, actor_of(interaction), name)
        await _answer(interaction, shared, copied=True)

    @app_commands.command(name="default", description=say("command_preset_default"))
    @app_commands.describe(name=say("option_preset_default"))
    async def default(self, interaction: Interaction, name: _Name | None = None) -> None:
        app, channel_id = interaction.client.app, settings_channel_id(interaction)
        default = await presets.set_default(app, actor_of(interaction), channel_id, name)
        if default is None:
            await tell(interaction, say("default_removed", channel=channel_id))
            return
        preset, replaced, catalogue = default.preset, default.replaced, app.catalogue
        path, deployment = catalogue.plan.path_of(preset.deployment), catalogue.get(preset.deployment)
        gap = deployment is not None and has_gap(deployment, preset)
        code = "default_set_gap" if gap else "default_set"
        sentences = [say(code, channel=channel_id, path=path, name=escape_name(preset.name))]
        if replaced is not None:
            title = escape_line(catalogue.title(replaced.deployment), 60)
            sentences.append(say("default_replaces", name=escape_name(replaced.name), title=title))
        await tell(interaction, "\n".join(sentences))

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
        app = interaction.client.app
        found = await presets.suggest(app, user_id, guild_id, prefix, holder=holder, offered=offered)
        return [Choice(name=preset.name, value=str(preset.value)) for preset in found]

    @save.autocomplete("run")
    async def _suggest_runs(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        app = interaction.client.app
        runs = await presets.suggest_runs(app, interaction.user.id)
        labels = [(run_label(run, app.catalogue.title), run.key) for run in runs]
        text = folded(prefix)
        return [Choice(name=label, value=key) for label, key in labels if text in label.casefold()]


async def setup(bot: GenerateBot) -> None:
    bot.add_items(_PresetsButton, ReplaceButton)
    await bot.add_cog(Presets())
