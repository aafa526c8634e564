"""`/preset` manages named sets of inputs, the user's own and the server's."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import LayoutView

from bot.deployments.catalogue import Catalogue
from bot.deployments.model import ShownInputs, displayed_inputs
from bot.domain.errors import BotError
from bot.domain.forms import YES
from bot.domain.requests import NAME_LENGTH, PAGE_SIZE, Holder, Preset
from bot.domain.text import escape_line
from bot.gateway.client import GenerateBot, tell, tell_refused
from bot.gateway.interactions import (
    Interaction,
    actor_of,
    close_form,
    paged,
    settings_channel_id,
    suggestions,
    typed_values,
)
from bot.sentences import say
from bot.services import presets
from bot.services.presets import Saved, Saving
from bot.ui.custom_ids import DraftId, PresetsId, ReplaceId, SaveId
from bot.ui.forms import form_modal
from bot.ui.lists import preset_values, presets_layout, replace_layout, run_label
from bot.ui.message_parts import layout_of
from cogs.drafts import begin

_Name = Range[str, 1, NAME_LENGTH]
# After these refusals, the form can't be opened again.
_GONE = frozenset({"run_gone", "run_erased", "preset_run_unknown", "details_hidden", "deployment_gone"})


@paged
async def _page(interaction: Interaction, id: PresetsId) -> LayoutView:
    app = interaction.client.app
    usable = await app.store.presets.visible(interaction.user.id, interaction.guild_id)
    found = usable[id.page * PAGE_SIZE :]
    default = (await presets.defaults(app, actor_of(interaction))).channel

    def inputs(preset: Preset) -> ShownInputs:
        return displayed_inputs(app.catalogue.get(preset.deployment), preset.inputs)

    title = app.catalogue.title
    return presets_layout(found, id.page, title=title, inputs=inputs, default=default)


async def _replace(interaction: Interaction, id: ReplaceId) -> None:
    app, actor = interaction.client.app, actor_of(interaction)
    saved = await presets.save(app, actor, presets.kept(app, actor, id.draft))
    await interaction.response.edit_message(view=_layout(app.catalogue, saved))


def _layout(catalogue: Catalogue, saved: Saved, *, copied: bool = False) -> LayoutView:
    """Say that a preset was saved, or ask whether to replace the one that has its name.

    If a copy for the server replaced no other preset, the only sentence says that everybody there can use it.
    """
    about = saved.earlier if saved.draft and saved.earlier is not None else saved.preset
    inputs = displayed_inputs(catalogue.get(about.deployment), about.inputs)
    if saved.draft:
        return replace_layout(about, catalogue.title, inputs, saved.draft)
    name, title = escape_line(about.name, NAME_LENGTH), escape_line(catalogue.title(about.deployment), 60)
    sentences: list[str] = []
    if saved.earlier is not None:
        sentences.append(f"Saved **{name}** for {title}; it replaced the preset of the same name.")
    elif not copied:
        use = "Use it with `/preset use` or in `/generate`."
        sentences.append(f"Saved as **{name}** for {title}. {use}")
    if about.holder is Holder.SERVER:
        sentences.append(f"Everybody on this server can use **{name}** now.")
    if saved.files_left:
        sentences.append("Files aren't part of a preset, so they were left out.")
    return layout_of("\n".join(filter(None, [*sentences, preset_values(about, inputs)])))


async def open_save(interaction: Interaction, id: SaveId) -> None:
    """Open the form that saves a run's inputs as a preset."""
    app, actor = interaction.client.app, actor_of(interaction)
    typed = presets.kept(app, actor, id.draft) if id.draft else None
    fields = await presets.form(app, actor, id.key, typed)
    await interaction.response.send_modal(form_modal(SaveId(id.key).encode(), "Save as a preset", fields))


async def _save_sent(interaction: Interaction, id: SaveId) -> None:
    """Save a preset with the values of the form. If that is refused, a button opens the form with them."""
    await close_form(interaction)
    app, actor = interaction.client.app, actor_of(interaction)
    sent = typed_values(interaction)
    typed = Saving(
        name=str(sent.get("name", "")),
        run_key=id.key,
        prompt=str(sent["prompt"]) if "prompt" in sent else None,
        seed=sent.get("seed") == YES,
        server=sent.get("server") == YES,
    )
    try:
        saved = await presets.save(app, actor, typed)
    except BotError as error:
        if error.code in _GONE:
            raise
        await tell_refused(interaction, error, SaveId(id.key, app.drafts.keep(actor.id, typed)))
    else:
        await tell(interaction, view=_layout(app.catalogue, saved))


async def _defaults(interaction: Interaction) -> list[str]:
    app, channel_id = interaction.client.app, settings_channel_id(interaction)
    actor = actor_of(interaction)
    usable = await presets.defaults(app, actor)
    sentences = [f"For you, {_started(app.catalogue, each)}." for each in usable.own]
    sentences = sentences or [
        "You have no default of your own. Type `/preset default` with a `name` to set one."
    ]
    if usable.channel is not None:
        by = f", set by <@{usable.set_by}>" if usable.set_by is not None else ""
        sentences.append(f"In <#{channel_id}>, {_started(app.catalogue, usable.channel)}{by}.")
    elif actor.origin.guild_id is not None:
        sentences.append(f"<#{channel_id}> has no default preset.")
    if usable.defaults:
        sentences.append("What people type wins, or goes where `{prompt}` stands.")
    return sentences


def _started(catalogue: Catalogue, preset: Preset) -> str:
    """Return which command a default starts, without the end of the sentence."""
    path = catalogue.plan.path(preset.deployment)
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
        saved = await presets.save(app, actor, saving)
        await tell(interaction, view=_layout(app.catalogue, saved))

    @app_commands.command(name="use", description="Generate with a preset")
    @app_commands.describe(
        name=say("option_preset_name"), prompt="The prompt, instead of the preset's or for its {prompt}"
    )
    async def use(
        self, interaction: Interaction, name: _Name, prompt: Range[str, 1, 4000] | None = None
    ) -> None:
        user_id, guild_id = interaction.user.id, interaction.guild_id
        deployment, typed = await presets.use(interaction.client.app, user_id, guild_id, name, prompt)
        await begin(interaction, DraftId("", deployment), typed=typed)

    @app_commands.command(name="list", description="Your presets and this server's")
    async def list_(self, interaction: Interaction) -> None:
        await _page(interaction, PresetsId(0))

    @app_commands.command(name="delete", description="Delete a preset")
    @app_commands.describe(name=say("option_preset_name"), server=say("option_preset_server"))
    async def delete(self, interaction: Interaction, name: _Name, *, server: bool = False) -> None:
        await presets.delete(interaction.client.app, actor_of(interaction), name, server=server)
        await tell(interaction, f"Deleted **{escape_line(name, NAME_LENGTH)}**.")

    @app_commands.command(name="share", description="Give this server a copy of one of your presets")
    @app_commands.describe(name=say("option_preset_name"))
    async def share(self, interaction: Interaction, name: _Name) -> None:
        app, saving = interaction.client.app, Saving(name=name, server=True)
        shared = await presets.save(app, actor_of(interaction), saving)
        await tell(interaction, view=_layout(app.catalogue, shared, copied=True))

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
        said: list[str] = []
        if name is not None or clear:
            of_channel = settings_channel_id(interaction) if channel else None
            changed = await presets.set_default(app, actor, wanted, of_channel)
            if clear and changed:
                said = [f"I removed {f'the default of <#{of_channel}>' if channel else 'your defaults'}."]
        await tell(interaction, "\n".join([*said, *await _defaults(interaction)]))

    @use.autocomplete("name")
    @delete.autocomplete("name")
    @share.autocomplete("name")
    @default.autocomplete("name")
    async def _suggest(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        app, user_id, guild_id = interaction.client.app, interaction.user.id, interaction.guild_id
        return suggestions(await presets.names(app, user_id, guild_id), prefix)

    @save.autocomplete("run")
    async def _suggest_runs(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        app = interaction.client.app
        runs = await presets.latest_runs(app, interaction.user.id)
        return suggestions(((run_label(run, app.catalogue.title), run.key) for run in runs), prefix)


async def setup(bot: GenerateBot) -> None:
    bot.add_handlers(PresetsId, _page)
    bot.add_handlers(ReplaceId, _replace)
    bot.add_handlers(SaveId, open_save, _save_sent)
    await bot.add_cog(Presets())
