"""Every way to start a run obeys the same rules, even a form that was opened before the rule was set."""

from collections import Counter
from collections.abc import Awaitable, Callable

from tests.stories.stage import Person, Stage

Act = Callable[[], Awaitable[None]]


async def story(stage: Stage, alice: Person, mona: Person, owner: Person) -> None:
    await alice.makes(prompt="a fox", style="ink")
    with stage.unseen():
        await alice.types("/preset save", name="noir")
    everybody = {"of": "Picture", "open_to_everybody": False, "who_may_use_it": "@role of mona"}
    await _between(stage, owner.types("/pause", reason="moving"), owner.types("/resume"))
    blocks = mona.types("/block", person=alice.user, reason="spam")
    await _between(stage, blocks, mona.types("/unblock", person=alice.user))
    forbids = mona.sets("Words", words_and_phrases_to_add="fox")
    await _between(stage, forbids, mona.sets("Words", words_to_remove="fox"))
    opens = mona.sets("Deployments", of="Picture", open_to_everybody=True)
    await _between(stage, mona.sets("Deployments", **everybody), opens)
    limits = mona.sets("Limits per member", runs_per_day="1")
    await _between(stage, limits, mona.sets("Limits per member", runs_per_day=""))
    commands = stage.world.discord.commands
    generate = commands.find("generate")
    assert generate is not None
    for name, target in (("/generate", generate["id"]), ("the bot", generate["application_id"])):
        ways = await _ways(stage)
        del ways["a preset"]  # Discord doesn't offer the command itself
        stage.tells(f"In the server's Integrations settings, alice may not use {name}")
        commands.overrides = {target: [{"type": 2, "id": str(alice.user.id), "permission": False}]}
        with stage.unseen():
            await stage.passes(400)
        await _try(stage, ways)
        commands.overrides = {}
        with stage.unseen():
            await stage.passes(400)
    stage.counts()


async def _between(stage: Stage, begins: Awaitable[None], ends: Awaitable[None]) -> None:
    """Let alice try every way between two acts, the second of which nobody sees."""
    ways = await _ways(stage)
    await begins
    await _try(stage, ways)
    with stage.unseen():
        await ends


async def _ways(stage: Stage) -> dict[str, Act]:
    """Return what alice does to start a run like her first; the forms are open already."""
    alice, edit, use = (stage.person("alice") for _ in range(3))
    with stage.unseen():
        await edit.presses("Edit", beside="a fox")
        await use.presses_more("Use as input", beside="a fox")
        if use._last is not None and use._last.modal is None:
            await use.chooses("Picture")
    return {
        "Again": lambda: alice.presses("Again", beside="a fox"),
        "/preset use": lambda: alice.types("/preset use", name="noir"),
        "a preset": lambda: alice.types("/generate picture", prompt="a fox", preset="noir"),
        "the form of Edit": lambda: edit.fills_in(prompt="a fox"),
        "the form of Use as input": lambda: use.fills_in(prompt="a fox"),
    }


async def _try(stage: Stage, ways: dict[str, Act]) -> None:
    answers = Counter[str]()
    for act in ways.values():
        with stage.unseen() as lines:
            await act()
            await stage.until_done()
        told = [line.strip() for line in lines if line.startswith(("    | ", "    [", "  #"))]
        answers[" / ".join(told)] += 1
    stage.lines += [f"  {count} of alice's {len(ways)} ways: {answer}" for answer, count in answers.items()]
