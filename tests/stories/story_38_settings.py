"""The settings: approval step by step, what a form refuses, two moderators at once, and what was deleted."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, mona: Person, mike: Person, alice: Person) -> None:
    await alice.types("/settings")
    for person in (mona, mike):
        with stage.unseen():
            await person.types("/settings")
    await mona.presses("Change", beside="**Approval**")
    await mona.fills_in(who_waits_for_approval="Everybody")
    await mona.presses("Edit again")
    await mona.fills_in(review_channel=["#gallery"])
    await mona.sets(
        "Approval",
        review_channel=["#reports"],
        who_waits_for_approval="Everybody but certain roles",
        requests_expire_after__hours="48",
        reviewer_role=["@role of mike"],
    )
    await mona.presses("Change", beside="**Approval**")
    await mona.fills_in(who_doesn_t_wait=["@role of carol"])
    await mona.presses("Change", beside="**Cards and audit log**")
    await mona.fills_in(new_cards="Ping the reviewer role", audit_log_entries_are_kept_for__days="4000")
    await mike.presses("Change", beside="**Limits per member**")
    await mona.sets("Limits per member", runs_at_once="1")
    await mike.fills_in(runs_at_once="4", runs_per_day="50", gpu_seconds_per_day="*12*")
    await mike.presses("Edit again")
    await mike.fills_in(gpu_seconds_per_day="1,000")
    await mike.sets("Results", gallery_channel=["#gallery"])
    await mona.sets("Limits per role", of="@role of alice", limits="None at all")
    await mona.sets("GPUs", of="H100", open_to_everybody=False, who_may_use_it=[], a_second_counts_as="2,5")
    await mona.sets("New members", minimum_account_age__days="3651", minimum_membership__days="-1")
    with stage.unseen():
        await stage.passes(60)
    await mona.sets("New members", minimum_account_age__days="30", minimum_membership__days="7")
    await mona.presses("Change", beside="**Words**")
    await mona.fills_in(words_and_phrases_to_add="**\nred   fox\na*b")
    await mona.presses("Edit again")
    await mona.fills_in(words_and_phrases_to_add="  Red   fox\nbad\nbad")
    await mona.sets("Words", words_to_remove="RED fox\nowl", this_server_s_automod_rules="Not applied")
    await mona.sets("Words", words_to_remove="RED fox", this_server_s_automod_rules="Not applied")
    await mona.presses("Download the words")
    await mona.types("/audit", action="settings")
    stage.loses("reports")
    with stage.unseen():
        await stage.passes(60)
    await mona.sets("Approval", who_waits_for_approval="Nobody")
    await mona.presses("Clean up")
