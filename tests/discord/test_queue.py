"""`/queue`: what the server has running and waiting, without what others asked for."""

from __future__ import annotations

from pathlib import Path

from demo.standin.faults import Faults
from tests.discord.seen import buttons_of, pinged, press, text_of
from tests.stage import stage


async def test_what_runs_comes_first_then_what_waits_in_its_order(tmp_path: Path) -> None:
    async with stage(tmp_path, max_concurrent_runs=1) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        for actor, prompt in ((s.alice, "a fox"), (s.alice, "an owl"), (s.bob, "a secret")):
            await actor.slash(s.channel, "generate", prompt=prompt)
            s.clock.move(seconds=1)
        await s.play()
        asked = await s.alice.slash(s.channel, "queue")
        assert asked.ephemeral
        heading, *lines = text_of(s, asked.response).splitlines()
        assert heading == "### Running and waiting on this server"
        assert lines[0].startswith(f"1. Generating: **Picture** <@{s.alice.id}> <t:")
        assert lines[1] == "-# a fox"
        waiting = [line for line in lines[2:] if not line.startswith("-# ")]
        assert waiting[0].startswith(f"2. Waiting for a free place: **Picture** <@{s.bob.id}>")
        assert waiting[0].endswith("next in the queue")
        assert waiting[1].startswith(f"3. Waiting for a free place: **Picture** <@{s.alice.id}>")
        assert waiting[1].endswith("number 2 in the queue")
        assert "a secret" not in "\n".join(lines)
        assert pinged(s) == []


async def test_a_long_queue_has_pages_also_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path, max_concurrent_runs=1) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        for number in range(12):
            actor, animal = (s.alice, "fox") if number < 8 else (s.bob, "owl")
            await actor.slash(s.channel, "generate", prompt=f"{animal} {number}")
            s.clock.move(seconds=1)
        await s.play()
        message = (await s.bob.slash(s.channel, "queue")).response
        assert text_of(s, message).count("**Picture**") == 10
        await s.restart()
        await s.bob.click(message, label="More")
        assert text_of(s, message).count("**Picture**") == 2
        assert "\n11. " in text_of(s, message)
        assert "fox" not in text_of(s, message)
        await s.bob.click(message, label="Back")
        assert "\n1. Generating" in text_of(s, message)


async def test_an_idle_server_and_another_servers_runs_show_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        message = (await s.bob.slash(s.channel, "queue")).response
        assert "Nothing at the moment." in text_of(s, message)
        assert buttons_of(s, message) == {}


async def test_a_page_that_is_not_there_any_more_is_empty_and_leads_back(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.alice.slash(s.channel, "queue")).response
        await press(s, s.alice, message, "queue:9999")
        assert "Nothing at the moment." in text_of(s, message)
        assert list(buttons_of(s, message)) == ["Back", "More"]
        assert s.env.errors == []
