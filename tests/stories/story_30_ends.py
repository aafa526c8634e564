"""How runs end: cancelled by whom, stopped at the deadline, and found after all."""

from demo.fake_comfydeploy.faults import Faults
from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    stage.next_run("The next run takes a while", hold_at="running")
    await alice.types("/generate picture", prompt="a fox")
    await bob.presses("Cancel")
    await mona.gets_by("Cancel")
    await _by_a_reviewer(stage)
    stage.next_run("The next run can't be stopped", hold_at="running", cancel_supported=False)
    await alice.types("/generate picture", prompt="an owl")
    await alice.presses("Cancel")
    await stage.passes(3)
    await stage.lets_runs_go_on()
    stage.next_run("The next run ends, and no webhook tells of it", webhook_drop=True)
    await alice.gets(prompt="a heron")
    stage.next_run(
        "The next run ends unheard, and can't be asked about",
        hold_at="running",
        silent_end=True,
        get_status=500,
    )
    await alice.types("/generate picture", prompt="a hen")
    await stage.passes(3)
    stage.world.comfydeploy.release()
    await stage.passes(4)
    await alice.presses("Cancel")
    stage.tells("It can be asked about again")
    for run in stage.world.comfydeploy.runs:
        run.own_faults = None
    await stage.until_done()
    stage.next_run("The next run hangs", hold_at="running")
    await alice.types("/generate picture", prompt="a snail")
    await stage.passes(180)
    stage.next_run("The next run hangs, and can't be stopped", hold_at="running", cancel_supported=False)
    await alice.types("/generate picture", prompt="a snail")
    await stage.passes(180)
    stage.tells("It ends after all")
    await stage.lets_runs_go_on()
    stage.next_run("The next run makes its result, but never ends", never_ends=True)
    await alice.types("/generate picture", prompt="a crane")
    await stage.passes(300)
    stage.next_run(
        "The reply to the next queue call is lost, and nothing is heard of the run",
        queue_drop=True,
        queue_starts=1,
        hold_at="queued",
        webhook_drop=True,
    )
    await alice.types("/generate picture", prompt="an elk")
    await stage.passes(60)
    stage.tells("It is heard of after all")
    for run in stage.world.comfydeploy.runs:
        run.own_faults = None
    await stage.lets_runs_go_on()
    stage.next_run("The next run hangs, and can't be stopped", hold_at="running", cancel_supported=False)
    with stage.unseen():
        await alice.types("/generate picture", prompt="a stork")
        await stage.passes(180)
    with stage.away(), stage.unseen():
        for _ in range(8):
            await stage.passes(700)
    stage.tells("Runs can be stopped now")
    for run in stage.world.comfydeploy.runs:
        run.own_faults = Faults(hold_at="running")
    with stage.unseen():
        for _ in range(8):
            await stage.passes(700)
    statuses = [call.status for call in stage.world.comfydeploy.call_log.cancel_calls]
    stage.tells(
        f"ComfyDeploy was asked {len(statuses)} times to stop a run, and did {statuses.count(200)} times"
    )
    stage.counts()


async def _by_a_reviewer(stage: Stage) -> None:
    """Let a moderator cancel who may not manage messages."""
    alice, mona, rita = (stage.person(name, "requests") for name in ("alice", "mona", "rita"))
    await mona.sets("Approval", reviewer_role=["@role of rita"])
    stage.next_run("The next run takes a while", hold_at="running")
    await alice.types("/generate picture", prompt="a ram")
    await rita.gets_by("Cancel")
