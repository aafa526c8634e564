"""Private results again: late, failed, repeated, opened by moderators, and no longer allowed."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, mona = stage.person("alice"), stage.person("mona")
    await mona.sets("Results", private_results="Allowed")
    await alice.gets("trouble", prompt="a fox", private=True)
    await stage.passes(30)
    await alice.makes(prompt="a secret", private=True, count=2)
    await alice.presses("2", beside="a secret")
    await alice.presses("Upscale", beside="a secret")
    await stage.until_done()
    await mona.types("/audit")
    await mona.presses("Open", beside="results: 2 of 2")
    await mona.presses("Delete", beside="a private result")
    await mona.presses("Open", beside="results: 2 of 2")
    await stage.configures(RUN_DEADLINE_SECONDS="7200")
    for accepts, prompt in ((True, "a slow secret"), (False, "a slower secret")):
        stage.world.next_faults({"hold_at": "running"})
        await alice.types("/generate picture", prompt=prompt, private=True)
        alice.user.accepts_dms = accepts
        await stage.passes(15 * 60)
        stage.world.comfydeploy.release()
        await stage.until_done()
    await alice.types("/runs")
    await alice.presses("Post it here")
    await stage.until_done()
    await alice.presses_more("Use as input", beside="a slower secret")
    await mona.sets("Results", private_results="Not allowed")
    await alice.chooses("Upscale")
    await alice.fills_in()
