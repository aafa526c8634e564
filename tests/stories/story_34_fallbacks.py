"""The next best place: an answer, a direct message or /runs has what a channel can't get."""

from tests.fakediscord.faults import Fault
from tests.stories.stage import Person, Stage

POST = "POST /channels/{channel_id}/messages"


async def story(stage: Stage, alice: Person, mona: Person, owner: Person) -> None:
    for times, prompt in ((1, "a fox"), (2, "an owl")):
        stage.discord_fails(f"Discord refuses the next {times} posts", POST, Fault.answer(400), times)
        await alice.gets(prompt=prompt)
    stage.discord_fails("Discord answers the next post with an error", POST, Fault.answer(503))
    stage.discord_fails("It answers the one after it too late", POST, Fault.lose_reply())
    await alice.gets(prompt="a heron")
    stage.discord_fails("Discord takes none of the next four posts from anybody", POST, Fault.answer(503), 4)
    await alice.gets(prompt="a lynx")
    await alice.begins(prompt="an elk")
    with stage.unseen():
        stage.world.discord.delete_message(stage.world.discord.messages(stage.channel("pictures"))[-1])
    with stage.closed("pictures", "dm:alice"):
        await stage.lets_runs_go_on()
    await alice.types("/runs", state="undelivered")
    await alice.at("dm:alice").types("/runs")
    await alice.sends_forged(f"runs:0:all:redeliver:{stage.key('an elk')}", on="Your requests")
    alice.at("pictures")
    await owner.types("/pause", reason="Moving")
    await alice.presses("Post it here")
    await owner.types("/resume")
    await mona.sets("Results", spoilers=["Always"])
    await alice.types("/runs", state="undelivered")
    await alice.gets_by("Post it here")
    stage.dies_at(POST, "The bot dies while it posts the next result", done=True)
    await alice.gets(prompt="a crow")
    await mona.sets("Results", gallery_channel=["#gallery"])
    await alice.presses_more("Share", beside="a crow")
    stage.dies_at(POST, "The bot dies while it shares it", done=True)
    await alice.fills_in()
    await stage.passes(300)
    await alice.presses_more("Share", beside="a crow")
    await alice.presses_more("Delete", beside="> a crow")
    await stage.until_done()
    alice.at("pictures")
    stage.discord_fails("Discord takes no post for a while", POST, Fault.answer(500), times=None)
    await alice.types("/generate picture", prompt="a fox")
    await stage.passes(30)
    stage.world.discord.faults.clear()
    await stage.until_done()
    await alice.begins(prompt="an owl")
    with stage.closed("pictures"):
        await stage.lets_runs_go_on()
        stage.next_run("A run takes a while, and fails", hold_at="running", ends_as="failed")
    await alice.types("/generate text", prompt="an owl")
    alice.answer_expires()
    with stage.closed("pictures"):
        await stage.lets_runs_go_on()
    await alice.presses_more("Delete", beside="Failed")
    await alice.begins(prompt="a heron")
    alice.answer_expires()
    with stage.closed("pictures", "dm:alice"):
        await stage.lets_runs_go_on()
        await stage.passes(3600)
    await alice.types("/runs", state="undelivered")
    await alice.gets_by("Post it here")
    stage.discord_fails("Discord finds the next file too large", POST, Fault.answer(413))
    await alice.gets(prompt="a crane")
    stage.tells("One of the next two runs times out, and ends after all while no place is open")
    for faults in ({}, {"ends_as": "timeout"}):
        stage.world.next_faults(faults)
    with stage.unseen():
        await alice.gets(prompt="a late fox", count=2)
    with stage.closed("pictures", "dm:alice"):
        await stage.run_makes("It has a picture", {"late.png": alice.picture().data or b""})
    await alice.types("/runs", state="undelivered")
    await alice.begins(prompt="an elk")
    stage.tells("The bot is removed from the server")
    stage.world.discord.remove_bot(stage.world.cast.guilds["studio"])
    alice.answer_expires()
    await stage.lets_runs_go_on()
