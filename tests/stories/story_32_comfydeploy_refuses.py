"""What ComfyDeploy refuses, and its outages: each has its sentence, and nothing is started twice."""

from tests.stories.stage import Person, Stage

REFUSALS = {
    "ComfyDeploy refuses the bot's API key": {"queue_status": 401},
    "ComfyDeploy doesn't know the deployment": {"queue_status": 404},
    "The machine doesn't accept the workflow": {"queue_status": 400},
    "The machine itself refuses the call": {"machine_status": 429},
    "The machine fails, and the call may have arrived": {"queue_status": 502, "queue_starts": 0},
}


async def story(stage: Stage, alice: Person, bob: Person) -> None:
    for told, faults in REFUSALS.items():
        stage.next_run(told, **faults)
        await alice.types("/generate picture", prompt="a fox")
        await stage.passes(30)
    stage.next_run(
        "ComfyDeploy refuses a call and starts its run", queue_status=403, queue_starts=1, hold_at="running"
    )
    await alice.types("/generate picture", prompt="an owl")
    await stage.passes(10)
    await stage.lets_runs_go_on()
    stage.tells("ComfyDeploy is too busy, for twice as long as it takes to ask again")
    for _ in range(2):
        stage.world.next_faults({"queue_status": 429})
    await alice.types("/generate picture", prompt="a heron")
    await stage.passes(3)
    await bob.gets(prompt="a crane")
    with stage.away("ComfyDeploy"):
        await alice.types("/generate picture", prompt="an elk")
        await stage.passes(30)
        await bob.types("/generate text", prompt="a moose")
        await stage.passes(60)
        await bob.types("/generate picture", prompt="a doe")
        await stage.passes(3 * 3600)
    await stage.until_done()
    stage.next_run(
        "The reply to a queue call is lost, and nothing has started", queue_drop=True, queue_starts=0
    )
    await alice.types("/generate picture", prompt="a crow")
    with stage.away("ComfyDeploy"):
        await stage.passes(120)
    await stage.passes(60)
    await alice.begins(prompt="a snail")
    with stage.away("ComfyDeploy"):
        stage.world.comfydeploy.release()
        await stage.passes(3600)
    await stage.until_done()
    stage.tells("The bot's API key is revoked")
    stage.world.comfydeploy.world.plan.key_revoked = True
    await alice.types("/generate picture", prompt="a fox")
    await stage.passes(5)
    stage.world.comfydeploy.world.plan.key_revoked = False
    stage.tells("The key is valid again")
    await alice.makes(prompt="a wren")
    await stage.passes(3600)
    stage.counts()
