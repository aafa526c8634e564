"""The next best place: an answer, a direct message or /runs has what a channel can't get."""

from tests.fakediscord.faults import Fault
from tests.stories.stage import Stage

POST = "POST /channels/{channel_id}/messages"


async def story(stage: Stage) -> None:
    alice, discord = stage.person("alice"), stage.world.discord
    stage.tells("Discord takes no post for a while")
    rule = discord.faults.add(POST, Fault.answer(500), times=None)
    await alice.types("/generate picture", prompt="a fox")
    await stage.passes(30)
    discord.faults.remove(rule)
    await stage.until_done()
    stage.next_run("A run takes a while", hold_at="running")
    await alice.types("/generate picture", prompt="an owl")
    with stage.closed("pictures"):
        await stage.lets_runs_go_on()
        stage.next_run("A run takes a while, and fails", hold_at="running", ends_as="failed")
    await alice.types("/generate text", prompt="an owl")
    alice.answer_expires()
    with stage.closed("pictures"):
        await stage.lets_runs_go_on()
    await alice.presses_more("Delete", beside="Failed")
    stage.next_run("A run takes a while", hold_at="running")
    await alice.types("/generate picture", prompt="a heron")
    alice.answer_expires()
    with stage.closed("pictures", "dm:alice"):
        await stage.lets_runs_go_on()
        await stage.passes(3600)
    await alice.types("/runs", state="undelivered")
    await alice.presses("Post it here")
    await stage.until_done()
    stage.tells("Discord finds the next file too large")
    discord.faults.add(POST, Fault.answer(413))
    await alice.gets(prompt="a crane")
    stage.next_run("A run takes a while", hold_at="running")
    await alice.types("/generate picture", prompt="an elk")
    stage.tells("The bot is removed from the server")
    discord.remove_bot(stage.world.cast.guilds["studio"])
    alice.answer_expires()
    await stage.lets_runs_go_on()
