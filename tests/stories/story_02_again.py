"""From a result to the next: Again, 4 more and Edit, also from somebody else's result."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person) -> None:
    await alice.gets(prompt="a fox", seed=7)
    await alice.presses("Again")
    await stage.until_done()
    await bob.presses("Edit")
    await bob.fills_in(prompt="a badger", seed="soon")
    await bob.presses("Edit and try again")
    await bob.fills_in(seed="12")
    await stage.until_done()
    await bob.presses("4 more")
    await stage.passes(2)
    await stage.until_done()
    await stage.reloads('title = "Picture"', 'title = "Picture"\nmax_count = 2')
    await bob.presses("4 more")
    await stage.passes(2)
    await stage.until_done()
