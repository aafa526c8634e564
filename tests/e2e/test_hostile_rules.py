"""AutoMod rules that take minutes to check delay nobody on other servers."""

from __future__ import annotations

from tests.bench.hostile import NESTED, NESTED_TEXT, SLOW_ALLOWED, SLOW_PATTERN, SLOW_TEXT
from tests.chaos.servers import with_automod
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.interactions import Interaction

AUTOMOD = "/guilds/{guild_id}/auto-moderation/rules"
NESTED_RULE = {"keyword_filter": NESTED, "allow_list": [*NESTED, "*b*"]}
SLOW_RULE = {"regex_patterns": [SLOW_PATTERN], "allow_list": SLOW_ALLOWED}
PROMPT = NESTED_TEXT[:4000] + SLOW_TEXT[:2000]
UNREADABLE = "I can't read this server's word rules right now, so nothing was started."


async def bomb(home: BotProcess) -> Interaction:
    """Let a member of a new server send a prompt that its rules take minutes to check."""
    server = with_automod(home.discord, "Bombs", *[NESTED_RULE] * 5, SLOW_RULE)
    mallory, channel = home.discord.add_user("mallory", server), home.discord.add_text(server, "bombs")
    return await home.discord.slash(mallory, channel, "generate", {"prompt": PROMPT})


async def test_hostile_rules_of_six_servers_fail_no_request_on_another(home: BotProcess) -> None:
    await home.set_rules(words={"blocked": ["bird"]})
    await home.start()
    bombs = [await bomb(home) for _ in range(6)]
    await home.until(lambda: len(home.discord.request_log.calls("GET", AUTOMOD)) == len(bombs))
    asked = await (await home.ask()).wait_answer()
    assert asked.original is not None
    assert not asked.original.ephemeral, asked.text
    await home.discord.wait_until(lambda: all(each.shown for each in bombs))
    refused = [each.text for each in bombs]
    assert all(text.startswith(UNREADABLE) for text in refused), refused
    await home.settled()
    await home.check_outcomes()
