"""From one's own account: the bot answers for 15 minutes where it is no member, and then directly."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, bob = stage.person("alice", "friends"), stage.person("bob", "lounge")
    await stage.configures(RUN_DEADLINE_SECONDS="7200")
    await alice.gets("several", prompt="robots", count=2)
    await alice.presses("1", beside="robots")
    await alice.gets_by("Again", beside="robots")
    await alice.presses_more("Details", beside="robots")
    await alice.presses_more("Delete", beside="**Variations**")
    await alice.begins(prompt="a snail")
    await alice.gets_by("Cancel", beside="a snail")
    stage.next_run("The next run takes long", hold_at="running")
    await bob.types("/generate picture", prompt="a slow fox")
    await stage.passes(15 * 60)
    await stage.lets_runs_go_on()
    stage.next_run("The next run takes long", hold_at="running")
    with stage.unseen():
        await bob.types("/generate picture", prompt="a slower fox")
        await stage.passes(15 * 60)
    with stage.closed("dm:bob"):
        await stage.lets_runs_go_on()
    await bob.types("/runs", state="undelivered")
    await bob.gets_by("Post it here")
    await bob.types("/generate restricted", prompt="a fox")
    await bob.types("/settings")
    await bob.at("dm:bob").gets(prompt="a heron")
    await bob.types("/queue")
    bob.at("lounge")
    await stage.configures(ALLOW_USER_INSTALLS="false", ALLOW_DIRECT_MESSAGES="false")
    await bob.presses("Again", beside="a slower fox")
    await bob.at("dm:bob").presses("Again", beside="a slow fox")
