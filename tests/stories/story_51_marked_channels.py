"""Age-restricted channels: what is made from their results is restricted, too, in whichever way it starts."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, bob, mona = stage.person("alice", "adult"), stage.person("bob", "adult"), stage.person("mona")
    await alice.makes(prompt="a fox")
    await alice.makes(prompt="an owl", count=2)
    with stage.unseen():
        await alice.presses("Upscale", beside="a fox")
        await stage.until_done()
        await alice.presses("2", beside="an owl")
    stage.marks("adult", restricted=False)
    await alice.presses("Upscale", beside="**Picture**\n> a fox")
    await alice.presses("Again", beside="**Upscale**\n> a fox")
    await bob.presses("Again", beside="**Upscale**\n> a fox")
    await bob.uses("Upscale", on="**Upscale**\n> a fox")
    await bob.uses("Use as input", on="**Picture**\n> a fox")
    await bob.chooses("Upscale")
    await bob.fills_in()
    stage.marks("adult", restricted=True)
    await bob.gets("/generate restricted", prompt="an elk")
    await bob.at("pictures").types("/runs")
    stage.next_run("The next run takes long, and the channel loses its mark meanwhile", hold_at="running")
    with stage.unseen():
        await alice.types("/generate picture", prompt="a crow")
        await stage.passes(5)
    stage.marks("adult", restricted=False)
    await stage.lets_runs_go_on()
    await alice.presses("Post", beside="an owl")
    await alice.presses("Post it here", beside="a crow")
    await alice.at("pictures").types("/runs", state="undelivered")
    await alice.presses("Post it here", beside="a crow")
    stage.marks("adult", restricted=True)
    await alice.at("adult").types("/runs", state="undelivered")
    await alice.presses("Post it here", beside="a crow")
    await stage.until_done()
    await mona.sets("Results", gallery_channel=["#adult"], spoilers=["In all-ages channels"])
    await alice.presses_more("Share", beside="a crow")
    stage.marks("adult", restricted=False)
    await alice.fills_in()
