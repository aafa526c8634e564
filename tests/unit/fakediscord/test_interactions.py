"""Logging in to the fake Discord, commands, interactions and the gateway."""

from __future__ import annotations

import asyncio

import discord
import pytest
from discord.http import Route

from tests.fakediscord.actions import CannotSend
from tests.fakediscord.errors import ApiError
from tests.fakediscord.server import FakeDiscord
from tests.unit.fakediscord.bot import PainterBot, picture
from tests.unit.fakediscord.harness import Studio, refusal


async def test_a_wrong_token_is_refused(fake: FakeDiscord) -> None:
    with pytest.raises(discord.LoginFailure):
        await PainterBot().login("wrong")
    assert fake.request_log.statuses["GET /users/@me", 401] == 1


async def test_an_attachment_option_arrives_with_a_link_that_can_be_read(studio: Studio) -> None:
    run = await studio.paint(image=studio.fake.file("photo.txt", b"a photo"))
    assert "from a photo" in run.text
    assert studio.shown == ["painting a cat from a photo"]
    assert studio.bot.interactions[0].user.id == studio.alice.id
    assert studio.bot.interactions[0].app_permissions.send_messages
    assert not run.refusals


async def test_autocomplete_suggests(studio: Studio) -> None:
    asked = await studio.fake.autocomplete(studio.alice, studio.general, "paint", "style", "in")
    await asked.wait_answer()
    assert asked.choices == [{"name": "ink", "value": "ink"}]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("paint", {}),
        ("paint", {"prompt": "x" * 101}),
        ("paint", {"prompt": 5}),
        ("paint", {"prompt": "a", "size": 3}),
        ("paint", {"prompt": "a", "image": "not a file"}),
        ("paint flux", {"prompt": "a"}),
        ("draw", {}),
    ],
)
async def test_the_client_does_not_send_what_the_command_does_not_offer(
    studio: Studio, name: str, options: dict[str, object]
) -> None:
    with pytest.raises(CannotSend):
        await studio.fake.slash(studio.alice, studio.general, name, options)


async def test_permission_overrides_are_404_until_someone_made_some(studio: Studio) -> None:
    [command] = await studio.bot.tree.fetch_commands()
    guild = discord.Object(studio.guild.id)
    await refusal(command.fetch_permissions(guild), 404, 10066)
    override = {"id": str(studio.alice.id), "type": 2, "permission": False}
    studio.fake.commands.overrides[studio.guild.id, command.id] = [override]
    found = await command.fetch_permissions(guild)
    assert [(p.id, p.permission) for p in found.permissions] == [(studio.alice.id, False)]


def option(name: str, **more: object) -> dict[str, object]:
    return {"type": 3, "name": name, "description": "o", **more}


LONG = [{"name": f"{number}" + "x" * 90, "value": "y" * 90} for number in range(25)]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Paint"},
        {"name": "two words"},
        {"description": ""},
        {"options": [option(f"o{number}") for number in range(26)]},
        {"options": [option("a"), option("b", required=True)]},
        {"options": [option(name, choices=LONG) for name in "ab"]},
    ],
)
async def test_commands_that_discord_refuses_are_refused_and_change_nothing(
    fake: FakeDiscord, change: dict[str, object]
) -> None:
    good = {"name": "paint", "description": "Paints", "type": 1}
    fake.commands.overwrite(None, [good])
    with pytest.raises(ApiError) as refused:
        fake.commands.overwrite(None, [good | change])
    assert refused.value.code == 50035
    assert [c["description"] for c in fake.commands.scopes[None]] == ["Paints"]


async def test_an_unknown_route_is_noted_in_the_books(studio: Studio) -> None:
    with pytest.raises(discord.NotFound):
        await studio.bot.http.request(Route("GET", "/stage-instances"))
    assert studio.fake.request_log.unknown_routes["GET /api/v10/stage-instances"] == 1


async def _unanswered(studio: Studio) -> discord.Interaction:
    """Return an interaction that the bot has received and nobody has answered."""
    studio.bot.silent = True
    await studio.ask()
    seen = studio.bot.interactions
    # The bot runs in this very loop; a request of its own is something that the world notices.
    while not seen:
        await studio.bot.http.get_bot_gateway()
    return seen[-1]


async def test_a_deferred_answer_thinks_until_it_is_edited(studio: Studio) -> None:
    studio.bot.painting = asyncio.Event()
    run = await studio.paint()
    assert run.original is not None
    assert run.original.loading
    studio.bot.painting.set()
    await studio.fake.wait_until(lambda: run.text)
    assert (run.text, run.original.loading, run.original.edits) == ("painting a cat", False, 1)


async def test_follow_ups_carry_files_and_can_be_edited_and_deleted(studio: Studio) -> None:
    run = await studio.paint()
    interaction = studio.bot.interactions[0]
    sent = await interaction.followup.send("more", file=picture(), wait=True)
    assert [m.content for m in run.followups] == ["more"]
    await sent.edit(content="even more")
    assert run.followups[0].content == "even more"
    assert (await interaction.original_response()).content == "painting a cat"
    await sent.delete()
    await interaction.delete_original_response()
    assert studio.shown == []
    await refusal(interaction.edit_original_response(content="too late"), 404, 10008)


async def test_answering_twice_is_40060(studio: Studio) -> None:
    interaction = await _unanswered(studio)
    await interaction.response.send_message("first")
    from_another_process = discord.InteractionResponse(interaction)  # does not know of the first answer
    await refusal(from_another_process.send_message("second"), 400, 40060)


async def test_answering_late_is_10062(studio: Studio) -> None:
    interaction = await _unanswered(studio)
    studio.fake.interactions.answer_within = 3.0
    studio.fake.world.clock.advance(3.1)
    await refusal(interaction.response.send_message("late"), 404, 10062)
    assert studio.shown == []


async def test_the_token_runs_out_after_fifteen_minutes(studio: Studio) -> None:
    run = await studio.paint()
    studio.fake.world.clock.advance(15 * 60 + 1)
    await refusal(studio.bot.interactions[0].edit_original_response(content="late"), 401, 50027)
    assert run.original is not None
    await studio.channel.get_partial_message(run.original.id).edit(content="by the bot's own token")
    assert run.original.content == "by the bot's own token"


async def test_an_app_that_only_the_user_installed_has_five_follow_ups(studio: Studio) -> None:
    await studio.fake.slash(studio.alice, studio.general, "paint", {"prompt": "x"}, user_install=True)
    await studio.fake.wait_until(lambda: studio.shown)
    interaction = studio.bot.interactions[0]
    assert interaction.is_user_integration()
    assert not interaction.app_permissions.send_messages
    studio.fake.limits.enabled = False
    for number in range(5):
        await interaction.followup.send(str(number))
    await refusal(interaction.followup.send("one too many"), 400, 40094)


async def test_changes_of_the_world_reach_the_bot(studio: Studio) -> None:
    thread = studio.fake.add_thread(studio.general, "ideas")
    other = studio.fake.add_guild("Elsewhere")
    lobby = studio.fake.add_text(other, "lobby")
    studio.fake.delete_channel(studio.general)
    run = await studio.fake.slash(studio.fake.add_user("bob", other), lobby, "paint", {"prompt": "a cat"})
    await run.wait_answer()
    guild = studio.bot.get_guild(studio.guild.id)
    assert guild is not None
    assert not guild.channels
    assert guild.get_thread(thread.id) is None
    studio.fake.remove_bot(other)
    again = studio.fake.add_text(studio.guild, "again")
    await (await studio.fake.slash(studio.alice, again, "paint", {"prompt": "x"})).wait_answer()
    assert [g.id for g in studio.bot.guilds] == [studio.guild.id]
