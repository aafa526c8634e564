"""Every type of interaction, in every state in which it can't do what it is for, and how it is answered."""

import sqlite3

from tests.fakediscord import payloads
from tests.fakediscord.errors import Json
from tests.fakediscord.interactions import Interaction, Type
from tests.simulation.engine.boundaries import STATEMENTS
from tests.stories.stage import Person, Stage

TYPES = ("slash", "user", "message", "button", "select", "form", "autocomplete")


async def story(stage: Stage, alice: Person, mona: Person) -> None:
    with stage.unseen():
        await alice.makes(prompt="a fox")
        await alice.types("/preset save", name="Fox")
    await _row(stage, alice, "As usual")
    await _row(stage, alice, "An unknown command or custom_id", name="gone")
    await _row(stage, alice, "An option, a value or a field that was removed", value="gone")
    await mona.types("/block", person=alice.user, reason="spam", duration="hour")
    await _row(stage, alice, "A blocked person")
    with stage.unseen():
        await mona.types("/unblock", person=alice.user)
    await _row(stage, alice, "The bot has a bug", error=ZeroDivisionError("a bug"))
    await _row(stage, alice, "The database is away", error=sqlite3.OperationalError("disk I/O error"))
    await stage.configures(ALLOWED_GUILD_IDS="1")
    await _row(stage, alice, "The server isn't allowed any more")


async def _row(
    stage: Stage, alice: Person, state: str, name: str = "", value: str = "", error: Exception | None = None
) -> None:
    """Send an interaction of each type, and note the type and the first line of its answer."""

    def fail(_life: object, _sql: str, _done: bool) -> None:
        if error is not None:
            raise error

    stage.tells(state)
    for kind in TYPES:
        with stage.unseen():
            await stage.passes(60)  # a person may ask ten times a minute
            STATEMENTS.strike = fail
            sent = await _send(stage, alice, kind, name, value)
            await stage.world.until(lambda sent=sent: sent.shown, 4.0)
            told = stage._renderer.stable(_told(sent))
            STATEMENTS.strike = None
            await stage.until_done()
        stage.lines.append(f"  {kind}: {told}")


async def _send(stage: Stage, alice: Person, kind: str, name: str, value: str) -> Interaction:
    discord, channel = stage.world.discord, stage.channel("pictures")
    shown = next(each for each in channel.messages.values() if each.shown_attachments)
    key = shown.custom_ids[0].split(":")[1]
    prompt: Json = {"name": "prompt", "type": 3, "value": "an owl"}
    if kind == "button":
        return await discord.forge_press(alice.user, shown, f"{name or 'run'}:{key}:again")
    if kind == "select":
        chosen = f"draft:{key}:{value or 'upscale'}:0::"
        return await discord.forge_press(alice.user, shown, f"{name or 'draft'}:{key}::0::", chosen, kind=3)
    if kind == "form":
        fields = {value or "prompt": "an owl"}
        return await discord.forge_form(alice.user, shown, f"{name or 'draft'}:{key}::::", fields)
    if kind in ("slash", "autocomplete"):
        preset: Json = {"name": value or "preset", "type": 3, "value": "Fox", "focused": kind != "slash"}
        path: Json = {"name": "picture", "type": 1, "options": [prompt, preset]}
        data: Json = {"name": name or "generate", "type": 1, "options": [path]}
        type = Type.COMMAND if kind == "slash" else Type.AUTOCOMPLETE
    else:
        target = shown if kind == "message" else alice.user
        data = {"name": name or "Use as input", "type": 3 if kind == "message" else 2}
        resolved = {"users": {str(alice.user.id): payloads.user(alice.user)}}
        if kind == "message":
            resolved = {"messages": {str(shown.id): payloads.message(shown, discord.sign)}}
        data |= {"target_id": str(target.id), "resolved": resolved}
        type = Type.COMMAND
    return discord._act(type, alice.user, channel, {"id": "1", **data})


def _told(sent: Interaction) -> str:
    if sent.answer_type is None:
        return "no answer"
    texts = [each.text for each in sent.followups] or [sent.text]
    told = f"the form “{sent.modal['title']}”" if sent.modal else texts[0].partition("\n")[0]
    names = [choice["name"] for choice in sent.choices]
    return f"{sent.answer_type.name.lower()}, {', '.join(names) or told or 'nothing'}"
