"""Forged presses and forms: whatever a modified client sends, only its user's rights count."""

from collections import Counter

from tests.stories.stage import Person, Stage
from tests.unit.ui.test_custom_ids import KEY, RECORDS, REF

RESULT = ("again", "vary", "repeat", "edit", "details", "report", "cancel", "redeliver", "post", "share")
CARD = ("approve", "reject", "block", "delete", "clear", "dismiss", "show", "hide", "discard")
# The digests of an empty field, of one that shows "off", and of private results that aren't allowed.
EMPTY, OFF, NOT_PRIVATE = "1271cf25", "83504cd6", "d1e359f5"


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    eve = stage.person("stranger", "outside")
    await alice.makes(prompt="a fox", count=2)
    public = stage.key("a fox")
    with stage.unseen():
        await bob.at("gallery").types("/help")
    stage.tells(
        "bob sends presses about alice's public result from another channel, and alice sends some, too"
    )
    for action in ("delete", "again", "edit", "details", "redeliver"):
        await bob.sends_forged(f"run:{public}:{action}")
    with stage.unseen():
        await alice.types("/help")
    for custom_id in (f"run:{public}:cancel", f"runs:0:all:open:{public}"):
        await alice.sends_forged(custom_id, on="Type a command")
    bob.at("pictures")
    await mona.sets("Approval", review_channel=["#reports"])
    await mona.sets("Results", private_results="Allowed", gallery_channel=["#gallery"])
    stage.next_run("alice's next run, which is private, takes long", hold_at="running")
    with stage.unseen():
        await alice.types("/generate picture", prompt="a slow secret", private=True)
        await stage.passes(5)
        await mona.types("/help")
    await mona.sends_forged(f"run:{stage.key('a slow secret')}:cancel", on="Type a command")
    with stage.unseen():
        await stage.lets_runs_go_on()
    await alice.makes(prompt="a secret", private=True)
    private = stage.key("a secret")
    await mona.at("requests").sets("Approval", review_channel=["#cards"], who_waits_for_approval="Everybody")
    with stage.unseen():
        await alice.at("requests").types("/generate picture", prompt="an owl")
        for person in (bob, mona.at("pictures"), eve):
            await person.types("/help")
    waiting = stage.key("an owl")
    await alice.sends_forged(f"draft:{waiting}:{REF}:::")
    stage.tells("People send presses that belong to a private result of alice's")
    for person in (bob, mona, eve):
        for action in RESULT:
            await person.sends_forged(f"run:{private}:{action}")
    for action in ("open", "cancel"):
        await bob.sends_forged(f"runs:0:all:{action}:{private}")
    stage.tells(
        "They send a moderator's presses about alice's public result, and about her request that waits"
    )
    await _a_minute_later(stage)
    for action in CARD:
        await bob.sends_forged(f"run:{public}:{action}")
    await _a_minute_later(stage)
    for action in CARD:
        await eve.sends_forged(f"run:{public}:{action}")
        await eve.sends_forged(f"run:{waiting}:{action}")
    stage.tells("bob sends what belongs to lists and panels of moderators")
    await _a_minute_later(stage)
    for custom_id in (f"auditopen:{private}", f"unblock:0:{alice.user.id}"):
        await bob.sends_forged(custom_id)
    for custom_id in ("set:results:open::0:", "set:home:tidy::0:"):
        await bob.sends_forged(custom_id)
    await bob.sends_forged("set:gpus:key::0:", "H100")
    await bob.sends_forged("set:results:form::0:", form={f"private_results::{NOT_PRIVATE}": "true"})
    await _not_offered(stage, mona)
    await _elsewhere(stage, mona, private)


async def _a_minute_later(stage: Stage) -> None:
    with stage.unseen():
        await stage.passes(60)


async def _not_offered(stage: Stage, mona: Person) -> None:
    await _a_minute_later(stage)
    stage.tells("mona sends choices that her panel doesn't offer")
    for custom_id in (
        "set:approval:none::0:",
        "set:x:open::0:",
        f"unblock:0:{1 << 63}",
        "audit:0:0:0:99:0:0:0:",
    ):
        await mona.sends_forged(custom_id)
    for section, value in (("gpus", "GTX"), ("deployments", "x"), ("roles", "12")):
        await mona.sends_forged(f"set:{section}:key::0:", value)
    for name, value in (
        (f"approval.mode::{OFF}", "sometimes"),
        (f"approval.review_channel_id::{EMPTY}", "1"),
        (f"approval.exempt_roles:0:{EMPTY}", "²"),
        (f"reviewer_role_id::{EMPTY}", "3"),
    ):
        with stage.unseen():
            await mona.types("/settings")
        await mona.sends_forged("set:approval:form::0:", on="### Settings", form={name: value})


async def _elsewhere(stage: Stage, mona: Person, key: str) -> None:
    """Send every press, choice and form of the bot under messages that they don't belong to."""
    for place in ("Picture ×2", "New request"):
        for how in ("presses", "choices", "forms"):
            answers = Counter[str]()
            with stage.unseen():
                for custom_id in (each.encode().replace(KEY, key) for each in RECORDS):
                    values = ["x"] if how == "choices" else []
                    form = {"reason": "x"} if how == "forms" else None
                    answers[await mona.sends_forged(custom_id, *values, on=place, form=form)] += 1
            stage.tells(f"mona sends all {how} of the bot under “{place}”")
            stage.lines += [f"  {count} × {answer}" for answer, count in answers.items()]
