"""What changes below a request: sizes, inputs and deployments, in the file and at ComfyDeploy."""

from dataclasses import replace

from demo.fake_comfydeploy.deployments import PICTURE_ID, InputNode, picture
from tests.stories.stage import Person, Stage

SIZES = "choices = { square = [768, 768], portrait = [624, 912] }"


async def story(stage: Stage, alice: Person, mona: Person, owner: Person) -> None:
    file = stage.world.folder / "deployments.toml"
    text = file.read_text()
    await alice.makes(prompt="a fox", size="portrait", style="ink")
    await alice.types("/preset save", name="Tall")
    stage.tells("The operator replaces the sizes and hides the style")
    hidden = "[deployments.picture.inputs.style]\nhidden = true\n[deployments.picture.inputs.hires]"
    changed = text.replace(SIZES, "choices = { wide = [912, 512], huge = [4096, 512] }")
    file.write_text(changed.replace("[deployments.picture.inputs.hires]", hidden))
    await owner.types("/reload")
    await alice.makes("/preset use", name="Tall", prompt="an owl")
    await stage.inputs()
    await alice.presses("Again", beside="a fox")
    await stage.inputs()
    await alice.presses("Edit", beside="an owl")
    await alice.fills_in()
    await stage.inputs()
    file.write_text("[deployments.paint\n")
    await owner.types("/reload")
    file.write_text(text)
    await owner.types("/reload")
    await mona.types("/reload")
    stage.tells("At ComfyDeploy, the workflow gets an input more")
    artist = InputNode(class_type="TextSingleLine", input_id="artist", display_name="Artist")
    found = replace(picture(), inputs=(*picture().inputs, artist))
    stage.world.comfydeploy.world.deployments[PICTURE_ID] = found
    await stage.passes(11 * 60)
    await alice.makes(prompt="a portrait", artist="Dürer")
    await stage.inputs()
    with stage.away():
        await stage.passes(3600)
        await owner.types("/reload")
    stage.tells("A server adds the bot, and adds it again")
    guild = stage.world.cast.guilds["foreign"]
    guild.system_channel = stage.channel("lounge").id
    for _ in range(2):
        stage.world.discord.invite_bot(guild)
        await stage.passes(10)
        stage.world.discord.remove_bot(guild)
