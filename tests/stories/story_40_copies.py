"""Copies in the gallery: what they hide, who goes on from them, and when they can't be posted."""

from tests.fakediscord.world import MEMBER
from tests.stories.stage import Stage

SEND_MESSAGES = 1 << 11


async def story(stage: Stage) -> None:
    alice, bob, mona = stage.person("alice"), stage.person("bob"), stage.person("mona")
    gallery = stage.channel("gallery")
    await alice.makes(prompt="a secret fox", negative="fog", style="ink")
    await mona.sets("Results", gallery_channel=["#gallery"])
    await mona.sets("Approval", review_channel=["#reports"])
    stage.tells("Discord refuses what the bot posts in #gallery")
    gallery.bot_permissions = MEMBER & ~SEND_MESSAGES
    await alice.presses_more("Share", beside="a secret fox", show_the_prompt=True)
    gallery.bot_permissions = MEMBER
    stage.tells("Discord takes what it posts again")
    await alice.presses_more("Share", beside="a secret fox", show_the_prompt=False)
    bob.at("gallery")
    await bob.presses("⋯ More", beside="Open the original")
    await bob.presses("Edit", beside="Open the original")
    await bob.fills_in(prompt="a badger")
    with stage.unseen():
        await stage.until_done()
    stage.inputs()
    await bob.presses("Use as input", beside="Open the original")
    await bob.chooses("Picture")
    await bob.fills_in(prompt="a stoat")
    with stage.unseen():
        await stage.until_done()
    stage.inputs()
    await bob.presses_more("Report", beside="Open the original", what_is_wrong_with_it="Something else")
    await mona.presses("Dismiss")
    await mona.deletes("Open the original")
    await alice.presses_more("Share", beside="a secret fox")
    await alice.makes(prompt="a heron", count=2)
    await alice.presses("2", beside="a heron")
    await alice.presses("Share", show_the_prompt=True)
    stage.tells("#gallery is deleted in Discord, and #pictures becomes the gallery")
    stage.world.discord.delete_channel(gallery)
    await alice.presses("Share", beside="a heron")
    await mona.sets("Results", gallery_channel=["#pictures"])
    await alice.presses_more("Share", beside="a secret fox")
    await alice.presses("Share", beside="a heron", show_the_prompt=True)
    await alice.presses("Post", beside="a heron")
    await bob.at("pictures").presses("2", beside="a heron")
    await alice.types("/privacy delete")
    await alice.presses("Delete my data")
    await alice.presses_more("Delete", beside="×2")
    await stage.until_done()
    await alice.makes("text", prompt="a badger")
    await mona.sets("Words", words_and_phrases_to_add="badger")
    await alice.presses_more("Share", beside="a badger", show_the_prompt=False)
    await alice.at("adult").makes(prompt="a wolf")
    await alice.presses_more("Share", beside="a wolf")
    await mona.types("/audit", action="share")
