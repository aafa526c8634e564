"""Whatever starts a run asks all that `/generate` is asked: Integrations, pause, blocks, words, roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.discord.court import ruled
from tests.discord.crowd import override
from tests.discord.seen import refusal, text_of
from tests.stage import Stage, stage

Act = Callable[[Stage, Any], Awaitable[Any]]


async def again(s: Stage, message: Any) -> Any:
    return await s.alice.click(message, label="Again")


async def edit(s: Stage, message: Any) -> Any:
    return await s.alice.click(message, label="Edit")


async def use(s: Stage, message: Any) -> Any:
    return await s.alice.click(message, label="Use as input")


async def menu(s: Stage, message: Any) -> Any:
    return await s.alice.context_menu(s.channel, "Use as input", message)


async def preset(s: Stage, message: Any) -> Any:
    return await s.alice.slash(s.channel, "preset use", name="noir")


async def typed_preset(s: Stage, message: Any) -> Any:
    return await s.alice.slash(s.channel, "generate", prompt="a fox", preset="noir")


async def edit_sent(s: Stage, message: Any) -> Any:
    """The form was open before the rule came."""
    return await s.alice.submit_modal(s.opened["edit"], {"prompt": "a fox"})  # type: ignore[attr-defined]


async def use_sent(s: Stage, message: Any) -> Any:
    return await s.alice.submit_modal(s.opened["use"], {"prompt": "a fox"})  # type: ignore[attr-defined]


WAYS: dict[str, Act] = {
    "again": again,
    "preset use": preset,
    "generate with a preset": typed_preset,
    "edit, sent": edit_sent,
    "use as input, sent": use_sent,
}
# Those that only open something: what would be refused is refused before anything is typed.
OPENING: dict[str, Act] = {"edit": edit, "use as input": use, "use as input, by the menu": menu}


async def rehearsed(s: Stage) -> Any:
    """A result of Alice's, her preset, and two open forms; then a rule comes."""
    await s.alice.slash(s.channel, "generate", prompt="a fox", style="ink")
    await s.play()
    (message,) = s.messages()
    await s.alice.slash(s.channel, "preset save", name="noir")
    offered = await use(s, message)
    s.opened = {  # type: ignore[attr-defined]
        "edit": await edit(s, message),
        "use": await s.alice.click(offered.response.message, label="Use with Picture"),
    }
    return message


def told(s: Stage, refused: Any) -> str:
    assert refused.ephemeral
    refusal(s, refused)
    return text_of(s, refused.response)


async def paused(s: Stage) -> None:
    await s.app.store.pause.pause("moving", by=1, now=s.clock())


async def blocked(s: Stage) -> None:
    await s.app.store.blocks.block(s.guild.id, s.alice.id, by=1, reason="spam", until=None, now=s.clock())


async def words(s: Stage) -> None:
    await ruled(s, words={"blocked": ["fox"]})


async def roles(s: Stage) -> None:
    await ruled(s, deployment_roles={(await s.run()).deployment: [4242]})


async def budget(s: Stage) -> None:
    await ruled(s, budgets={"person": {"runs_a_day": 1}})


async def integrations(s: Stage) -> None:
    override(s, {s.alice.user: False})


async def whole_bot(s: Stage) -> None:
    s.guild.set_command_permissions(s.env.backend.application_id, {s.alice.user: False})


RULES: dict[str, tuple[Callable[[Stage], Awaitable[None]], str]] = {
    "pause": (paused, "Generating is paused for the moment: moving"),
    "block": (blocked, "A moderator has blocked you from generating on this server: spam"),
    "words": (words, "`prompt` has something in it that this server doesn't allow."),
    "roles": (roles, "Your roles don't include this deployment."),
    "budget": (budget, "You have used your 1 runs for today."),
}
OF_INTEGRATIONS = "This server's settings don't let you use this here."


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", RULES)
async def test_a_servers_and_the_operators_rules_hold(tmp_path: Path, rule: str, way: str) -> None:
    async with stage(tmp_path) as s:
        message = await rehearsed(s)
        comes, sentence = RULES[rule]
        await comes(s)
        assert told(s, await WAYS[way](s, message)).startswith(sentence)
        await s.play()
        assert len(s.calls) == 1


@pytest.mark.parametrize("way", [way for way in {**WAYS, **OPENING} if way != "generate with a preset"])
@pytest.mark.parametrize("rule", [integrations, whole_bot])
async def test_discords_own_permissions_hold(
    tmp_path: Path, rule: Callable[[Stage], Awaitable[None]], way: str
) -> None:
    """`/generate` and the menu themselves are hidden by Discord; `/preset use` has lines of its own."""
    async with stage(tmp_path) as s:
        message = await rehearsed(s)
        await rule(s)
        await s.restart()
        if rule is whole_bot and way in ("preset use", "use as input, by the menu"):
            pytest.skip("Discord itself hides it")
        assert told(s, await {**WAYS, **OPENING}[way](s, message)) == OF_INTEGRATIONS
        await s.play()
        assert len(s.calls) == 1
