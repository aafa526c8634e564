"""When it doesn't work: a broken workflow, a refused value, a run that fails halfway, and its log."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    await alice.gets("trouble", prompt="a fox")
    await stage.passes(30)
    await alice.presses("⋯ More")
    await alice.presses("Details")
    stage.world.next_faults({"ends_as": "failed", "made": 2})
    await alice.gets("several", prompt="robots", count=1)
    await alice.types("/generate picture", prompt="a fox", seed=-1)
    await alice.types("/generate picture", prompt=" ")
    stage.world.next_faults({"queue_status": 500, "queue_starts": 0})
    await alice.gets(prompt="a fox")
    stage.next_run("The next run fails, and its log can't be read at first", ends_as="failed", log_status=500)
    await alice.types("/generate picture", prompt="a fox")
    await stage.passes(8)
    await alice.presses_more("Details")
    await stage.restart()
    list(stage.world.comfydeploy.runs)[-1].own_faults = None
    await stage.passes(40)
    await alice.makes("trouble", prompt="an owl")
    with stage.unseen():
        await stage.passes(40)
    await bob.presses_more("Details", beside="an owl")
    await mona.presses_more("Details", beside="an owl")
    await mona.sets("Results", private_results="Allowed")
    # Without webhooks and with rare polls, the end and the log are read together.
    await stage.configures(PUBLIC_URL="", POLL_INTERVAL_SECONDS="60")
    await alice.gets("trouble", prompt="a heron", private=True)
    await alice.gets("trouble", prompt="a heron")
    await stage.configures()
    stage.next_run("The next run fails, and its log is never there", ends_as="failed", log_status=404)
    await alice.makes(prompt="an elk")
    await stage.passes(3600)
    await alice.presses_more("Details", beside="an elk")
    await alice.types("/privacy delete")
    await alice.presses("Delete my data")
    await mona.presses_more("Details", beside="an owl")
