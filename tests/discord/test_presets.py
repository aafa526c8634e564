"""`/preset`: saved from a request, used in two ways, shared with a server; what has changed is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.store.tables import presets
from demo.standin.deployments import PICTURE_ID, VARIATIONS_ID
from tests.discord.crowd import moderator
from tests.discord.seen import buttons_of, pinged, refusal, text_of
from tests.stage import Stage, stage

TWO = f"""
[deployments.picture]
deployment_id = "{PICTURE_ID}"

[deployments.variations]
deployment_id = "{VARIATIONS_ID}"
"""


async def generated(s: Stage, actor: Any, **given: Any) -> None:
    await actor.slash(s.channel, "generate", **given)
    await s.play()


async def told(s: Stage, actor: Any, command: str, **given: Any) -> str:
    result = await actor.slash(s.channel, f"preset {command}", **given)
    return refusal(s, result)


async def inputs(s: Stage) -> dict[str, Any]:
    """Of the last queue call."""
    await s.play()
    found: dict[str, Any] = s.calls[-1].body["inputs"]
    return found


async def test_a_saved_preset_is_used_with_another_prompt_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, prompt="a fox", style="ink", seed=7)
        said = await told(s, s.alice, "save", name="Noir")
        assert said == "Saved as **Noir** for Picture. Use it with `/preset use` or in `/generate`."
        await s.restart()
        used = await s.alice.slash(s.channel, "preset use", name="noir", prompt="an owl")
        assert not used.ephemeral
        sent = await inputs(s)
        assert (sent["prompt"], sent["style"]) == ("an owl", "ink")
        assert sent["seed"] != 7
        assert "> an owl" in text_of(s, s.messages()[-1])
        await s.alice.slash(s.channel, "preset use", name="noir")
        assert (await inputs(s))["prompt"] == "a fox"
        assert pinged(s) == [s.alice.id] * 3


async def test_in_generate_what_is_typed_wins(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, prompt="a fox", style="ink", seed=7)
        await told(s, s.alice, "save", name="noir", seed=True)
        await generated(s, s.alice, prompt="an owl", preset="noir")
        sent = await inputs(s)
        assert (sent["prompt"], sent["style"], sent["seed"]) == ("an owl", "ink", 7)
        await generated(s, s.alice, prompt="an owl", preset="noir", style="neon", seed=8)
        sent = await inputs(s)
        assert (sent["style"], sent["seed"]) == ("neon", 8)


async def test_a_prompt_with_a_gap_takes_in_what_is_typed(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, prompt="a fox")
        await told(s, s.alice, "save", name="house", prompt="{prompt}, in our house style")
        await generated(s, s.alice, prompt="an owl", preset="house")
        assert (await inputs(s))["prompt"] == "an owl, in our house style"
        await s.alice.slash(s.channel, "preset use", name="house", prompt="a cat {prompt}")
        assert (await inputs(s))["prompt"] == "a cat {prompt}, in our house style"
        calls = len(s.calls)
        said = await told(s, s.alice, "use", name="house")
        assert said == "**house** is built around a prompt. Please give one with `prompt`."
        await s.play()
        assert len(s.calls) == calls


async def test_a_certain_request_can_be_saved_and_nobody_elses(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, prompt="first", style="ink")
        await generated(s, s.alice, prompt="second", style="neon")
        offered = await s.alice.autocomplete(s.channel, "preset save", "run", "FIRST", name="x")
        assert [choice["name"] for choice in offered] == ["Picture: first"]
        key = offered[0]["value"]
        assert await told(s, s.bob, "save", name="stolen", run=key) == "I don't know this request any more."
        await told(s, s.alice, "save", name="one", run=key)
        await s.alice.slash(s.channel, "preset use", name="one")
        assert (await inputs(s))["style"] == "ink"
        nothing = await told(s, s.bob, "save", name="x")
        assert nothing == "There is no request of yours to save. Try `/generate` first."


async def test_a_server_has_its_own_from_people_with_manage_server(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        await generated(s, s.alice, prompt="a fox", style="ink")
        await told(s, s.alice, "save", name="house")
        for refused in (
            await told(s, s.alice, "share", name="house"),
            await told(s, s.alice, "save", name="house", server=True),
            await told(s, s.alice, "delete", name="house", server=True),
        ):
            assert refused.startswith("A server's presets are for people with Manage Server.")
        await generated(s, mona, prompt="an owl", style="neon")
        await told(s, mona, "save", name="house")
        shared = await told(s, mona, "share", name="house")
        assert shared == "This server has **house** now, for everybody here."
        await s.bob.slash(s.channel, "preset use", name="house")
        assert (await inputs(s))["style"] == "neon"
        # Alice's own goes before the server's of the same name.
        await s.alice.slash(s.channel, "preset use", name="house")
        assert (await inputs(s))["style"] == "ink"
        assert await told(s, mona, "delete", name="house", server=True) == "**house** is deleted."
        unknown = await told(s, s.bob, "use", name="house")
        assert unknown == "There is no preset **house**. `/preset list` shows those you can use."
        assert await told(s, s.alice, "delete", name="house") == "**house** is deleted."
        assert (await told(s, s.alice, "delete", name="house")).startswith("There is no preset **house**.")


async def test_generate_suggests_ones_own_first_then_the_servers_of_that_deployment(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=TWO) as s:
        mona = moderator(s)
        await s.alice.slash(s.channel, "generate picture", prompt="a fox")
        await mona.slash(s.channel, "generate picture", prompt="a fox")
        await s.play()
        await told(s, s.alice, "save", name="zebra")
        for name in ("Apple", "Zebra"):
            await told(s, mona, "save", name=name, server=True)
        offered = await s.alice.autocomplete(s.channel, "generate picture", "preset", "", prompt="x")
        assert [choice["name"] for choice in offered] == ["zebra", "Apple"]
        offered = await s.bob.autocomplete(s.channel, "generate picture", "preset", "ZE", prompt="x")
        assert [choice["name"] for choice in offered] == ["Zebra"]
        assert await s.alice.autocomplete(s.channel, "generate variations", "preset", "", prompt="x") == []
        async with s.app.store.database.write() as connection:
            await connection.execute(presets.update().values(deployment="variations"))
        calls = len(s.calls)
        refused = await s.alice.slash(s.channel, "generate picture", prompt="x", preset="zebra")
        assert refusal(s, refused).startswith("**zebra** is a preset for Variations.")
        await s.play()
        assert len(s.calls) == calls


async def test_what_does_not_fit_any_more_is_left_out_and_told(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, prompt="a fox", style="ink")
        await told(s, s.alice, "save", name="noir")
        old = {"prompt": "a fox", "gone": 1, "style": "engraving", "steps": "many"}
        async with s.app.store.database.write() as connection:
            await connection.execute(presets.update().values(inputs=old, gpu="Z80"))
        used = await s.alice.slash(s.channel, "preset use", name="noir")
        (note,) = used.followups
        assert note.flags.ephemeral
        assert note.content.startswith(
            "Some of **noir** doesn't fit any more and was left out: `gone`, `style`"
        )
        assert note.content.endswith("`gpu`.")
        assert (await inputs(s))["prompt"] == "a fox"


async def test_the_list_shows_what_one_can_use_in_pages_also_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        empty = (await s.alice.slash(s.channel, "preset list")).response
        assert "There are none yet." in text_of(s, empty)
        mona = moderator(s)
        await generated(s, s.alice, prompt="@everyone", style="ink")
        await generated(s, mona, prompt="a fox")
        for number in range(10):
            await told(s, s.alice, "save", name=f"n{number}")
        await told(s, mona, "save", name="house", server=True)
        listed = await s.alice.slash(s.channel, "preset list")
        assert listed.ephemeral
        assert text_of(s, listed.response).count("for Picture") == 10
        assert "prompt=\\@everyone" in text_of(s, listed.response)
        await s.restart()
        await s.alice.click(listed.response, label="More")
        assert "**house** for Picture · this server's" in text_of(s, listed.response)
        assert list(buttons_of(s, listed.response)) == ["Back", "More"]
        others = text_of(s, (await s.bob.slash(s.channel, "preset list")).response)
        assert "n1" not in others


async def test_a_preset_passes_the_same_rules_as_what_is_typed(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, prompt="a fox")
        await told(s, s.alice, "save", name="noir")
        await s.app.store.blocks.block(
            s.guild.id, s.alice.id, by=1, reason="enough", until=None, now=s.clock()
        )
        calls = len(s.calls)
        for refused in (
            await told(s, s.alice, "use", name="noir"),
            refusal(s, await s.alice.slash(s.channel, "generate", prompt="x", preset="noir")),
        ):
            assert "enough" in refused
        await s.play()
        assert len(s.calls) == calls


async def test_deleting_ones_data_deletes_ones_presets(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, prompt="a fox")
        await told(s, s.alice, "save", name="noir")
        asked = await s.alice.slash(s.channel, "privacy delete")
        assert "and your presets. It can't be undone" in asked.response.content
        await s.alice.click(asked.response, label="Delete my data")
        assert (await told(s, s.alice, "use", name="noir")).startswith("There is no preset **noir**.")
