"""Results that reach nobody are kept in /runs, and messages that Discord refuses become simpler."""

from tests.fakediscord.faults import Fault
from tests.stories.stage import Stage

_POST = "POST /channels/{channel_id}/messages"


async def story(stage: Stage) -> None:
    alice, mona = stage.person("alice"), stage.person("mona")
    owner = stage.person("owner", "dm:owner")
    refuse = stage.world.discord.faults.add
    for times, prompt in ((1, "a fox"), (2, "an owl")):
        stage.tells(f"Discord refuses the next {times} posts")
        refuse(_POST, Fault.answer(400), times=times)
        await alice.gets(prompt=prompt)
    stage.tells("Discord answers the first post with an error, and the second too late")
    refuse(_POST, Fault.answer(503))
    refuse(_POST, Fault.lose_reply())
    await alice.gets(prompt="a heron")
    stage.next_run("The next run takes long", hold_at="running")
    with stage.unseen():
        await alice.types("/generate picture", prompt="an elk")
        await stage.passes(20)
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
    await alice.presses("Post it here")
    await stage.until_done()
    stage.dies_at(_POST, "The bot dies while it posts the next result", done=True)
    await alice.gets(prompt="a crow")
    await mona.sets("Results", gallery_channel=["#gallery"])
    await alice.presses_more("Share", beside="a crow")
    stage.dies_at(_POST, "The bot dies while it shares it", done=True)
    await alice.fills_in()
    await stage.passes(300)
    await alice.presses_more("Share", beside="a crow")
    await alice.presses_more("Delete", beside="> a crow")
    await stage.until_done()
