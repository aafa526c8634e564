"""Why a run failed: the log comes later, and only its requester and moderators read it."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, bob, mona = stage.person("alice"), stage.person("bob"), stage.person("mona")
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
