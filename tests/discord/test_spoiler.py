"""Results behind a click: pictures, files and words; always, or where a channel is not age-restricted."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.standin.deployments import CAPTION_ID
from tests.discord.files import bucket, song
from tests.discord.moderated_server import mark_adult, set_rules
from tests.discord.rendered import hidden, text_of
from tests.harness import Harness
from tests.web.service import run_under_way


@pytest.mark.parametrize(
    ("mode", "plain", "adult"),
    [("never", False, False), ("always", True, True), ("not_age_restricted", True, False)],
)
async def test_pictures_hide_as_the_server_set_it(bot: Harness, mode: str, plain: bool, adult: bool) -> None:
    await set_rules(bot, spoiler=mode)
    marked = bot.guild.create_text_channel("adult")
    await bot.env.settle()
    mark_adult(bot, marked)
    for channel, expected in ((bot.channel, plain), (marked, adult)):
        await bot.alice.slash(channel, "generate", prompt="a fox")
        await bot.play()
        assert hidden(bot, bot.messages(channel)[-1]) == [expected]


@pytest.mark.bot(comfydeploy_deployment_id=CAPTION_ID)
async def test_words_hide_as_well(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    await bot.play()
    assert "||" not in text_of(bot, bot.messages()[-1])
    await set_rules(bot, spoiler="always")
    bot.clock.move(seconds=1)
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    await bot.play()
    shown = text_of(bot, bot.messages()[-1])
    assert shown.count("||") == 2


async def test_files_that_stand_alone_hide_by_their_name(tmp_path: Path) -> None:
    async with bucket({"a.wav": (song(), "audio/wav")}) as base, run_under_way(tmp_path) as caller:
        bot = caller.bot
        async with bot.app.store.database.write() as connection:
            await connection.exec_driver_sql("UPDATE runs SET spoiler = 1")
        item = {"url": f"{base}/a.wav", "filename": "a.wav", "type": "output"}
        output = {"id": "o", "data": {"files": [item]}, "node_meta": {"node_id": "9"}}
        assert (await caller.call(caller.event("success", outputs=[output])))[0] == 204
        await bot.play()
        (attachment,) = bot.messages()[0].attachments
        assert attachment.filename.startswith("SPOILER_")
