"""Words: AutoMod rules and the bot's own list refuse requests, and the audit log names the word."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, mona: Person) -> None:
    await alice.types("/generate picture", prompt="a forbidden fox")
    await mona.sets("Words", words_and_phrases_to_add="badger*\nhoney bun")
    await alice.types("/generate picture", prompt="two B.A.D.G.E.R.S")
    await alice.presses("Edit and try again")
    await alice.fills_in(prompt="two otters")
    await stage.until_done()
    await mona.types("/audit")
