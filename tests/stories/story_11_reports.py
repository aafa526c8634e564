"""Reports and deletions: a member reports a result, and moderators dismiss or delete it."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    await mona.sets("Approval", review_channel=["#reports"])
    await alice.gets(prompt="a spider")
    await bob.presses("⋯ More", beside="a spider")
    await bob.presses("Report")
    await bob.fills_in(what_is_wrong_with_it="Something else", note="Far too many legs")
    await mona.presses("Dismiss")
    await bob.presses("⋯ More", beside="a spider")
    await bob.presses("Report")
    await bob.fills_in(what_is_wrong_with_it="Something else")
    await alice.gets(prompt="two spiders")
    await bob.presses("⋯ More", beside="two spiders")
    await bob.presses("Report")
    await bob.fills_in(what_is_wrong_with_it="Against this server's rules")
    await mona.gets_by("Delete", beside="Reported")
    await alice.presses("⋯ More", beside="a spider")
    await alice.gets_by("Delete")
    await bob.types("/block", user=alice.user)
    await mona.types("/block", user=bob.user, reason="Reports everything", duration="hour")
    await bob.types("/generate picture", prompt="an owl")
