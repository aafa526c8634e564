"""`/preset` manages named sets of inputs, the user's own and the server's."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import LayoutView

from bot.deployments.catalogue import Catalogue
from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.domain.requests import NAME_LENGTH, Holder, Preset, folded
from bot.domain.text import escape_line
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import (
    Interaction,
    actor_of,
    member_of,
    rules_guild_id,
    settings_channel_id,
    show_page,
    turning,
    typed_values,
)
from bot.services import presets
from bot.services.presets import NameTaken, SavedPreset, Saving
from bot.strings import say
from bot.ui.custom_ids import Action, DraftId, PresetsId, ReplaceId, RunId
from bot.ui.forms import form_modal
from bot.ui.lists import preset_values, presets_layout, replace_layout, run_label, set_by
from bot.ui.message_parts import layout_of
from cogs.drafts import begin

_Name = Range[str, 1, NAME_LENGTH]


async def _page(interaction: Interaction, id: PresetsId) -> LayoutView:
    app = interaction.client.app
    found, more = await presets.page(app, interaction.user.id, interaction.guild_id, id.page)
    default = (await presets.defaults(app, actor_of(interaction))).channel

    def inputs(preset: Preset) -> ShownInputs:
        return displayed_inputs(app.catalogue.get(preset.deployment), preset.inputs)

    return presets_layout(
        found, id.page, more=more, title=app.catalogue.title, inputs=inputs, default=default
    )


async def _replace(interaction: Interaction, id: ReplaceId) -> None:
    """Replace the preset that already has the name."""
    app = interaction.client.app
    saved = await presets.replace_earlier(app, actor_of(interaction), id.draft)
    if isinstance(saved, NameTaken):
        layout = _question(interaction, saved)
    else:
        layout = layout_of(_saved_text(app.catalogue, saved))
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
    return replace_layout(earlier, catalogue.title, inputs, taken.draft)


def _saved_text(catalogue: Catalogue, saved: SavedPreset, *, copied: bool = False) -> str:
    """Return the sentences about a saved preset.

    If a copy for the server replaced no other preset, the only sentence says that everybody there can use it.
    """
    name = escape_line(saved.preset.name, NAME_LENGTH)
    sentences: list[str] = []
    if saved.replaced or not copied:
        title = escape_line(catalogue.title(saved.preset.deployment), 60)
        saying = f"Saved as **{name}** for {title}. Use it with `/preset use` or in `/generate`."
        replaced = f"Saved **{name}** for {title}; it replaced the preset of the same name."
        sentences.append(replaced if saved.replaced else saying)
    if saved.preset.holder is Holder.SERVER:
        sentences.append(f"Everybody on this server can use **{name}** now.")
    if saved.files_left:
        sentences.append("Files aren't part of a preset, so they were left out.")
    inputs = displayed_inputs(catalogue.get(saved.preset.deployment), saved.preset.inputs)
    return "\n".join(filter(None, [*sentences, preset_values(saved.preset, inputs)]))


async def open_save(interaction: Interaction, key: str) -> None:
    """Open the form that saves a run's inputs as a preset."""
    fields = await presets.form(interaction.client.app, actor_of(interaction), key)
    await interaction.response.send_modal(
        form_modal(RunId(key, Action.SAVE).encode(), "Save as a preset", fields)
    )


async def save_sent(interaction: Interaction, key: str) -> None:
    """Save a preset with the values of the form."""
    app, actor = interaction.client.app, actor_of(interaction)
    await _answer(interaction, await presets.save_form(app, actor, key, typed_values(interaction)))


async def _defaults(interaction: Interaction) -> str:
    """Return sentences about the user's own defaults and the channel's."""
    app, channel_id = interaction.client.app, settings_channel_id(interaction)
    usable = await presets.defaults(app, actor_of(interaction))
    own, channel = usable.own, usable.channel
    sentences = [f"For you, {_started(app.catalogue, each)}." for each in own]
    sentences = sentences or [say("default_is_none_own")]
    if channel is not None:
        by = f", {each}" if (each := set_by(channel.set_by, channel.set_at)) else ""
        sentences.append(f"In <#{channel_id}>, {_started(app.catalogue, channel.preset)}{by}.")
    elif rules_guild_id(interaction) is not None:
        sentences.append(f"<#{channel_id}> has no default preset.")
    if own or channel is not None:
        sentences.append("What people type wins, or goes where `{prompt}` stands.")
    return "\n".join(sentences)


def _started(catalogue: Catalogue, preset: Preset) -> str:
    """Return which command a default starts, without the end of the sentence."""
    path = catalogue.plan.path_of(preset.deployment) or f"/{catalogue.plan.name}"
    return f"`{path}` starts from **{escape_line(preset.name, NAME_LENGTH)}**"


class Presets(commands.GroupCog, group_name="preset", group_description="Sets of inputs to use again"):
    """The subcommands of `/preset`. Answers are ephemeral, except that `use` generates in the channel."""

    @app_commands.command(name="save", description="Save the inputs of one of your requests under a name")
    @app_commands.describe(
        name=say("option_preset_name"),
        run="Which request; without it, your latest",
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
        key = run or await presets.latest_run(app, actor.id)
        saving = Saving(name=name, run_key=key, prompt=prompt, seed=seed, server=server)
        await _answer(interaction, await presets.save(app, actor, saving))

    @app_commands.command(name="use", description="Generate with a preset")
    @app_commands.describe(
        name=say("option_preset_name"), prompt="The prompt, instead of the preset's or for its {prompt}"
    )
    async def use(
        self, interaction: Interaction, name: _Name, prompt: Range[str, 1, 6000] | None = None
    ) -> None:
        user_id, guild_id = interaction.user.id, interaction.guild_id
        deployment, typed = await presets.use(interaction.client.app, user_id, guild_id, name, prompt)
        await begin(interaction, DraftId("", deployment), typed=typed)

    @app_commands.command(name="list", description="Your presets and this server's")
    async def list_(self, interaction: Interaction) -> None:
        await show_page(interaction, _page, PresetsId(0))

    @app_commands.command(name="delete", description="Delete a preset")
    @app_commands.describe(name=say("option_preset_name"), server=say("option_preset_server"))
    async def delete(self, interaction: Interaction, name: _Name, *, server: bool = False) -> None:
        await presets.delete(interaction.client.app, actor_of(interaction), name, server=server)
        await tell(interaction, f"Deleted **{escape_line(name, NAME_LENGTH)}**.")

    @app_commands.command(name="share", description="Give this server a copy of one of your presets")
    @app_commands.describe(name=say("option_preset_name"))
    async def share(self, interaction: Interaction, name: _Name) -> None:
        saving = Saving(name=name, server=True)
        shared = await presets.save(interaction.client.app, actor_of(interaction), saving)
        await _answer(interaction, shared, copied=True)

    @app_commands.command(name="default", description="Show or set the preset that /generate starts from")
    @app_commands.describe(
        name="The preset to start from; leave it out to see the defaults",
        channel="This channel's default, for everybody; needs Manage Channels",
        clear="Remove the default",
    )
    async def default(
        self,
        interaction: Interaction,
        name: _Name | None = None,
        *,
        channel: bool = False,
        clear: bool = False,
    ) -> None:
        app, actor, wanted = interaction.client.app, actor_of(interaction), None if clear else name
        if channel and (name is not None or clear):
            await presets.set_default(app, actor, settings_channel_id(interaction), wanted)
        elif name is not None or clear:
            await presets.set_own_default(app, actor.id, interaction.guild_id, wanted)
        await tell(interaction, await _defaults(interaction))

    @use.autocomplete("name")
    @delete.autocomplete("name")
    @share.autocomplete("name")
    @default.autocomplete("name")
    async def _suggest(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        """Suggest the presets that the user may choose for the command and the options that they gave."""
        command = interaction.command.name if interaction.command is not None else ""
        options, person = interaction.namespace, member_of(interaction)
        of_server, of_channel = getattr(options, "server", False), getattr(options, "channel", False)
        is_allowed = person.manages_channels if of_channel else person.manages_server
        if (of_server or of_channel or command == "share") and not is_allowed:
            return []
        holder = Holder.SERVER if of_server or of_channel else Holder.PERSON
        found = await presets.suggest(
            interaction.client.app,
            interaction.user.id,
            interaction.guild_id,
            prefix,
            holder=holder if command != "use" else None,
            offered=command in ("use", "default"),
        )
        return [Choice(name=preset.name, value=str(preset.value)) for preset in found]

    @save.autocomplete("run")
    async def _suggest_runs(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        app = interaction.client.app
        runs = await presets.suggest_runs(app, interaction.user.id)
        labels = [(run_label(run, app.catalogue.title), run.key) for run in runs]
        text = folded(prefix)
        return [Choice(name=label, value=key) for label, key in labels if text in label.casefold()]


async def setup(bot: GenerateBot) -> None:
    bot.add_press(PresetsId, turning(_page))
    bot.add_press(ReplaceId, _replace)
    await bot.add_cog(Presets())
