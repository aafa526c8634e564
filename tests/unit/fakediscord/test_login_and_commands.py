from __future__ import annotations

import discord
import pytest
from discord.http import Route

from tests.fakediscord.actions import CannotSend
from tests.fakediscord.errors import ApiError
from tests.fakediscord.server import FakeDiscord
from tests.unit.fakediscord.bot import PainterBot
from tests.unit.fakediscord.harness import Studio


async def test_discord_py_logs_in_and_sees_the_server_and_its_channel(studio: Studio) -> None:
    guild = studio.bot.get_guild(studio.guild.id)
    assert guild is not None
    assert [c.name for c in guild.channels] == ["general"]
    assert guild.me.guild_permissions.attach_files
    assert guild.filesize_limit == studio.guild.filesize_limit
    assert studio.fake.gateway.counts["identify"] == 1


async def test_a_wrong_token_is_refused(fake: FakeDiscord) -> None:
    with pytest.raises(discord.LoginFailure):
        await PainterBot().login("wrong")
    assert fake.request_log.statuses["GET /users/@me", 401] == 1


async def test_a_slash_command_is_answered_and_seen_in_the_channel(studio: Studio) -> None:
    run = await studio.fake.slash(studio.alice, studio.general, "paint", {"prompt": "a cat"})
    await run.wait_answer()
    assert run.text.startswith("painting a cat")
    assert [m.content for m in studio.fake.messages(studio.general)] == ["painting a cat"]
    assert studio.bot.interactions[0].user.id == studio.alice.id
    assert studio.bot.interactions[0].app_permissions.send_messages
    assert not run.refusals


async def test_an_attachment_option_arrives_with_a_link_that_can_be_read(studio: Studio) -> None:
    file = studio.fake.file("photo.txt", b"a photo")
    run = await studio.fake.slash(studio.alice, studio.general, "paint", {"prompt": "a cat", "image": file})
    await run.wait_answer()
    assert "from a photo" in run.text


async def test_autocomplete_suggests(studio: Studio) -> None:
    asked = await studio.fake.autocomplete(studio.alice, studio.general, "paint", "style", "in")
    await asked.wait_answer()
    assert asked.choices == [{"name": "ink", "value": "ink"}]


async def test_buttons_and_modals_go_back_and_forth(studio: Studio) -> None:
    run = await studio.fake.slash(studio.alice, studio.general, "paint", {"prompt": "a cat"})
    await run.wait_answer()
    assert run.original is not None
    clicked = await studio.fake.click(studio.alice, run.original, "cancel")
    await clicked.wait_answer()
    assert clicked.text == "cancelled"
    assert clicked.original not in studio.fake.messages(studio.general)
    assert clicked.original in studio.fake.messages(studio.general, studio.alice)
    opened = await studio.fake.click(studio.alice, run.original, "Edit")
    submitted = await studio.fake.submit(await opened.wait_answer(), {"prompt": "a dog"})
    await submitted.wait_answer()
    assert run.original.content == "changed to a dog"
    assert run.original.history[0]["content"] == "painting a cat"


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
    with pytest.raises(discord.NotFound) as missing:
        await command.fetch_permissions(guild)
    assert missing.value.code == 10066
    override = {"id": str(studio.alice.id), "type": 2, "permission": False}
    studio.fake.commands.overrides[studio.guild.id, command.id] = [override]
    found = await command.fetch_permissions(guild)
    assert [(p.id, p.permission) for p in found.permissions] == [(studio.alice.id, False)]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Paint"},
        {"name": "two words"},
        {"description": ""},
        {"options": [{"type": 3, "name": f"o{n}", "description": "o"} for n in range(26)]},
        {
            "options": [
                {"type": 3, "name": "a", "description": "a"},
                {"type": 3, "name": "b", "description": "b", "required": True},
            ]
        },
        {
            "options": [
                {
                    "type": 3,
                    "name": f"o{n}",
                    "description": "o",
                    "choices": [{"name": f"{k}" + "x" * 90, "value": "y" * 90} for k in range(25)],
                }
                for n in range(2)
            ]
        },
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
