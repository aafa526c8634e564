"""Requests that wait are judged again when it is their turn: the pause, today's limits, roles, channels."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, mona: Person, owner: Person) -> None:
    await stage.configures(RUN_DEADLINE_SECONDS="7200")
    await mona.sets("Limits per member", runs_at_once="1")
    await _waits(stage, alice, "a fox")
    await mona.sets("Deployments", of="Picture", open_to_everybody=False, who_may_use_it=["@role of mona"])
    await stage.lets_runs_go_on()
    await mona.sets("Deployments", of="Picture", open_to_everybody=True)
    await _waits(stage, alice, "an owl")
    with stage.closed("pictures"):
        await stage.lets_runs_go_on()
    await alice.makes(prompt="a heron")
    await _waits(stage, alice, "Upscale", beside="a heron")
    await mona.presses_more("Delete", beside="a heron")
    await stage.lets_runs_go_on()
    await _waits(stage, alice.at("adult"), "an elk")
    stage.marks("adult", restricted=False)
    await stage.lets_runs_go_on()
    await _waits(stage, alice, "a crow")
    stage.loses("adult")
    await stage.lets_runs_go_on()
    await _waits(stage, alice.at("pictures"), "a wolf", "a stoat")
    await owner.types("/pause", reason="Until tomorrow")
    await stage.lets_runs_go_on()
    await stage.restart()
    await stage.passes(24 * 3600)
    await mona.sets("Limits per member", runs_per_day="1")
    await owner.types("/resume")
    await stage.until_done()
    await stage.passes(60)
    await alice.types("/queue")
    await stage.passes(24 * 3600)


async def _waits(stage: Stage, alice: Person, *what: str, beside: str = "") -> None:
    """Let requests of Alice's, or what a button starts, wait for five minutes behind another one."""
    waiting = " and ".join(f"“{each} {beside}".rstrip() + "”" for each in what)
    stage.next_run(f"alice has a long run, behind which {waiting} waits for five minutes", hold_at="running")
    with stage.unseen():
        await alice.types("/generate picture", prompt="a snail")
        for each in what:
            if beside:
                await alice.presses(each, beside=beside)
            else:
                await alice.types("/generate picture", prompt=each)
        await stage.passes(300)
