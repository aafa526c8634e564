"""Age marks that change: what is restricted waits for a marked channel, and no direct message has it."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, mona = stage.person("alice", "adult"), stage.person("mona")
    stage.next_run("The next run takes a while", hold_at="running")
    await alice.types("/generate restricted", prompt="a fox")
    stage.marks("adult", restricted=False)
    await stage.lets_runs_go_on()
    await alice.presses("Post it here")
    stage.marks("adult")
    await alice.presses("Post it here")
    await stage.until_done()
    stage.next_run("The next run takes a while", hold_at="running")
    await alice.types("/generate restricted", prompt="an owl")
    alice.answer_expires()
    with stage.closed("adult"):
        await stage.lets_runs_go_on()
    await alice.at("pictures").types("/runs")
    await alice.presses("Post it here")
    await alice.at("adult").types("/runs")
    await alice.presses("Post it here")
    await stage.until_done()
    stage.tells("What anything makes in a marked channel is restricted, too")
    await mona.sets("Results", private_results="Allowed")
    await alice.makes("/generate picture", prompt="a secret", private=True)
    await alice.at("pictures").types("/runs")
    await alice.presses("Open")
    with stage.unseen():
        await mona.types("/audit")
    await mona.presses("Open")
