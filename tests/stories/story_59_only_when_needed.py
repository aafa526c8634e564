"""Only when needed: what the bot stores, the word rules that it reads, and the commands that it sends."""

from collections import Counter

from tests.fakediscord.errors import Json
from tests.fakediscord.faults import Fault
from tests.simulation.engine.boundaries import STATEMENTS
from tests.stories.stage import Person, Stage

SYNC = "PUT /applications/{application_id}/commands"
LIMITS = ("required", "min_value", "max_value", "min_length", "max_length", "autocomplete")


async def story(stage: Stage, alice: Person, owner: Person) -> None:
    await _one_request(stage, alice)
    await _automod(stage, alice)
    await _commands(stage, owner)


async def _one_request(stage: Stage, alice: Person) -> None:
    """Count the transactions that write, each of which is a step that must survive a crash.

    An idle bot writes nothing, and looks only a few times a minute whether something is due.
    """
    executed = Counter[str]()

    def count(_life: object, sql: str, done: bool) -> None:
        executed[sql.split(maxsplit=1)[0]] += done

    with stage.unseen():
        await stage.passes(60)
        STATEMENTS.strike = count
        await stage.passes(600)
    assert executed.keys() <= {"SELECT", "BEGIN", "ROLLBACK"}
    assert executed.total() < 200
    await alice.makes(prompt="an owl")
    STATEMENTS.strike = None
    stage.tells(f"The bot has stored {executed['COMMIT']} times")


async def _automod(stage: Stage, alice: Person) -> None:
    guild, discord = stage.world.cast.guilds["studio"], stage.world.discord
    (rule,) = guild.automod
    for prompt in ("a forbidden fox", "a firefox"):
        await alice.types("/generate picture", prompt=prompt)
    reads = discord.request_log.calls("GET", "/guilds/{guild_id}/auto-moderation/rules")
    stage.tells(f"The bot has read the server's AutoMod rules {len(reads)} time")
    rule["trigger_metadata"] = {"keyword_filter": ["fire*"], "regex_patterns": []}
    stage.tells("A moderator changes the AutoMod rule")
    discord.gateway.dispatch("AUTO_MODERATION_RULE_UPDATE", rule, guild_id=guild.id, intents=1 << 20)
    for prompt in ("a forbidden fox", "a firefox"):
        await alice.gets(prompt=prompt)


async def _commands(stage: Stage, owner: Person) -> None:
    discord = stage.world.discord
    stage.tells("The options of /generate picture, as Discord has them")
    generate = discord.commands.find("generate")
    assert generate is not None
    (picture,) = [each for each in generate["options"] if each["name"] == "picture"]
    for option in picture["options"]:
        stage.lines.append(f"  {_option(option)}")
    await stage.restart()
    _tell_commands(stage)
    stage.discord_fails("Commands can't be changed for a while", SYNC, Fault.answer(503), None)
    await stage.configures(ALLOW_USER_INSTALLS="false", ALLOW_DIRECT_MESSAGES="false")
    await stage.passes(700)
    _tell_commands(stage)
    discord.faults.clear()
    await stage.passes(700)
    _tell_commands(stage)
    stage.discord_fails("Commands can't be changed, although they are the same", SYNC, Fault.answer(503))
    await owner.types("/reload")
    await stage.passes(700)
    _tell_commands(stage)
    stage.discord_fails("Discord refuses the commands", SYNC, Fault.answer(400), None)
    await stage.configures(ALLOW_USER_INSTALLS="true")
    await stage.passes(1400)
    _tell_commands(stage)


def _option(option: Json) -> str:
    limits = [f"{name} {option[name]}" for name in LIMITS if option.get(name) not in (None, False)]
    choices = [f"{each['name']}={each['value']}" for each in option.get("choices") or ()]
    told = ", ".join([*limits, *choices])
    return f"{option['name']} ({option['description']}), type {option['type']}: {told}"


def _tell_commands(stage: Stage) -> None:
    discord = stage.world.discord
    sent = sum(each.method == "PUT" for each in discord.request_log.requests)
    directly = sum(1 in each["contexts"] for each in discord.commands.synced)
    stage.lines.append(f"  commands in direct messages: {directly}; lists sent so far: {sent}")
