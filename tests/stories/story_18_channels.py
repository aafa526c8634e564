"""Channels and threads that change: the bot may not post there, or a message is deleted."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, owner: Person) -> None:
    with stage.closed("pictures"):
        await alice.types("/generate picture", prompt="a fox")
    await alice.begins(prompt="an owl")
    with stage.closed("pictures"):
        await stage.lets_runs_go_on()
    await alice.gets(prompt="a heron")
    await alice.deletes("a heron")
    await alice.types("/runs")
    discord, thread = stage.world.discord, stage.channel("thread")
    stage.next_run("The next run takes long, and its thread is archived meanwhile", hold_at="running")
    with stage.unseen():
        await alice.at("thread").types("/generate picture", prompt="a snail")
    discord.set_thread(thread, archived=True, locked=False)
    await stage.lets_runs_go_on()
    stage.tells("The thread is locked, and the bot may not manage threads")
    discord.withdraw(thread, "manage_threads")
    discord.set_thread(thread, archived=True, locked=True)
    await alice.types("/generate picture", prompt="an owl")
    for name in ("attach_files", "embed_links"):
        discord.withdraw(stage.channel("pictures"), name)
    stage.tells("The bot may not attach files and embed links in #pictures")
    await alice.at("pictures").types("/generate picture", prompt="an owl")
    for person, page in ((alice, "Examples"), (owner, "Commands")):
        with stage.unseen():
            await person.types("/help")
        await person.presses(page)
