"""The gallery: members share results there, others start from them, and copies can be removed."""

import discord

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    results = {"spoilers": ["In all-ages channels"], "finished_requests": ["Ping nobody"]}
    await mona.sets("Results", gallery_channel=["#gallery"], **results)
    await alice.gets(prompt="a fox")
    await alice.presses("⋯ More", beside="a fox")
    await alice.presses("Share")
    await alice.fills_in()
    await bob.presses("Edit", beside="Open the original")
    await bob.fills_in(prompt="a badger")
    await stage.until_done()
    await alice.presses("⋯ More", beside="a fox")
    await alice.presses("Share")
    stage.tells("bob gets the permission Manage Messages in #gallery", apart=False)
    may = discord.Permissions(view_channel=True, manage_messages=True)
    stage.channel("gallery").member_permissions = {bob.user.id: may.value}
    await bob.presses("⋯ More", beside="Open the original")
    await bob.gets_by("Delete")
    await alice.presses("⋯ More", beside="a fox")
    await alice.presses("Share")
