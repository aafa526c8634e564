"""Reports: members report results, and moderators dismiss reports, delete results and block people."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, carol: Person, mona: Person) -> None:
    await alice.makes(prompt="a spider", count=2)
    await bob.presses("⋯ More", beside="a spider")
    await mona.sets("Approval", review_channel=["#reports"])
    await bob.presses_more("Report", beside="a spider")
    await bob.fills_in(what_is_wrong_with_it="Hurts or harasses somebody", note=" That is *me* @everyone")
    await bob.presses_more("Report", beside="a spider", what_is_wrong_with_it="Something else")
    await carol.presses("2", beside="a spider")
    await carol.presses(
        "Report", beside="a spider", what_is_wrong_with_it="Sexual or violent", note="Look closer"
    )
    await mona.at("reports").uses("Use as input", on="Reported")
    await mona.at("pictures").presses("Dismiss")
    await bob.presses_more("Report", beside="a spider", what_is_wrong_with_it="Something else")
    await mona.presses_more("Report", beside="a spider", what_is_wrong_with_it="Something else")
    await alice.presses_more("Delete", beside="a spider")
    await mona.presses("Delete", beside="Reported")
    await mona.types("/audit", action="report")
    await alice.types("/privacy export")
    alice.reads("audit")
    await bob.types("/privacy delete")
    await bob.presses("Delete my data")
    await mona.types("/audit", action="report")
    await alice.makes(prompt="two spiders")
    await bob.presses_more("Report", beside="two spiders", what_is_wrong_with_it="Something else")
    await mona.gets_by("Delete", beside="Reported")
    await alice.at("adult").makes(prompt="a wolf")
    await bob.at("adult").presses_more("Report", beside="a wolf", what_is_wrong_with_it="Something else")
    await mona.presses("Block", beside="a wolf", reason="Wolves", duration="1 hour")
    stage.loses("reports")
    await bob.presses("Report", beside="a wolf")
    await bob.types("/block", person=alice.user)
    await mona.types("/block", person=bob.user, reason="Reports everything", duration="hour")
    await bob.types("/generate picture", prompt="an owl")
