"""Results behind a click: pictures, files and words; always, or where a channel is not age-restricted."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.deployments import CAPTION_ID
from tests.discord.files import finish_with, song
from tests.discord.moderated_server import adult_channel, set_rules
from tests.discord.rendered import hidden, text_of
from tests.harness import Harness


@pytest.mark.parametrize(
    ("mode", "plain", "adult"),
    [("always", True, True), ("not_age_restricted", True, False)],
)
async def test_pictures_hide_as_the_server_set_it(bot: Harness, mode: str, plain: bool, adult: bool) -> None:
    await set_rules(bot, spoiler=mode)
    marked = await adult_channel(bot)
    for channel, expected in ((bot.channel, plain), (marked, adult)):
        await bot.ask(channel=channel)
        assert hidden(bot, bot.messages(channel)[-1]) == [expected]


@pytest.mark.bot(comfydeploy_deployment_id=CAPTION_ID)
async def test_words_hide_as_well(bot: Harness) -> None:
    await bot.ask()
    assert "||" not in text_of(bot, bot.messages()[-1])
    await set_rules(bot, spoiler="always")
    await bot.ask()
    shown = text_of(bot, bot.messages()[-1])
    assert shown.count("||") == 2


async def test_files_that_stand_alone_hide_by_their_name(bot: Harness) -> None:
    await set_rules(bot, spoiler="always")
    await finish_with(bot, {"a.wav": (song(), "audio/wav")})
    await bot.play()
    (attachment,) = bot.messages()[0].attachments
    assert attachment.filename.startswith("SPOILER_")
