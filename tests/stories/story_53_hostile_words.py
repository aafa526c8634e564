"""Prompts that would ping people, look like the bot's own text or hide a link stay what they are: a quote."""

from tests.stories.stage import Person, Stage

PROMPTS = (
    "@everyone @here <@&{role}> <@{bob}>",
    "[free nitro](https://evil.example/) <https://evil.example> discord.gg/evil",
    "```\n@everyone",
    "# heading\n> quote\n- list\n-# small",
    "\u202eright to left\u2066 and \u200b\u200d zero \ufeff width",
    "<t:0:R> <:emoji:1> <#1> </generate:1> *_~`|>#-",
)


async def story(stage: Stage, alice: Person, bob: Person) -> None:
    for prompt in PROMPTS:
        typed = prompt.replace("{bob}", str(bob.user.id)).replace("{role}", str(bob.user.id))
        await alice.gets("text", prompt=typed)
    await alice.gets("trouble", prompt="x" * 3000)
    await alice.gets("text", prompt="long " * 800)
    for name, content in (
        ("run.png", b"MZ" + bytes(200)),
        ("noise.webp", bytes(range(256))),
        ("report.pdf", b"%PDF-1.7"),
        ("my_*file*.txt", b"x"),
    ):
        await alice.types("/generate upscale", image=alice.picture(name, content=content))
    await alice.types(
        "/generate upscale", image=alice.picture("without an ending", content=alice.picture().data)
    )
