"""The record: moderators page through /audit, filter it, and download it; nobody else reads it."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    await mona.sets("Words", words_and_phrases_to_add="badger*")
    await mona.sets("Results", private_results="Allowed")
    await bob.makes("/generate picture", prompt="a *red* fox")
    with stage.unseen():
        for _ in range(11):
            await alice.types("/generate picture", prompt="two ||badgers||")
        await stage.passes(60)
    await alice.types("/generate picture", prompt="a secret badger", private=True)
    with stage.unseen():
        await mona.types("/audit")
    await mona.presses("Older")
    await stage.restart()
    await mona.presses("Newer")
    await mona.presses("CSV file")
    await bob.types("/audit")
    with stage.unseen():
        await bob.types("/help")
    await bob.sends_forged("audit:1:0:0:0:0:0:0:")
    await mona.types("/audit", person=bob.user, outcome="succeeded", since_days=2)
    await mona.types("/audit", by=mona.user, deployment="nothing")
    await mona.types("/audit", since_days=3, until_days=3)
    await mona.completes("/audit", "deployment", "PIC")
    await bob.presses_more("Delete", beside="fox")
    await mona.types("/audit", person=bob.user)
