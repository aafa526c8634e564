"""All deployments of the fake account: those of the demo, and those that only tests use."""

from __future__ import annotations

from dataclasses import replace

from demo.fake_comfydeploy.deployments import (
    CLASSIC_ID,
    CLASSIC_TEXT_ID,
    EVERY_INPUT_ID,
    MACHINE_DOWN_ID,
    MACHINE_FAILS_ID,
    MACHINE_REFUSES_ID,
    NO_CREDITS_ID,
    PROMPT,
    REJECTS_ID,
    SEED,
    DemoDeployment,
    InputNode,
    Makes,
    Refusal,
    caption,
    demo_deployments,
    picture,
    size_input,
)


def _troubled(id_: str, name: str, refusal: Refusal) -> DemoDeployment:
    return DemoDeployment(
        id=id_,
        name=name,
        description="",
        makes=Makes.PICTURE,
        inputs=(PROMPT,),
        environment="staging",
        refusal=refusal,
    )


def troubled_deployments() -> list[DemoDeployment]:
    """Return deployments whose queue call always fails, and two on a classic machine."""
    return [
        _troubled(MACHINE_DOWN_ID, "Machine down", Refusal.MACHINE_DOWN),
        _troubled(NO_CREDITS_ID, "No credits", Refusal.NO_CREDITS),
        _troubled(REJECTS_ID, "Rejected", Refusal.NODE_ERRORS),
        _troubled(MACHINE_REFUSES_ID, "Machine refuses", Refusal.MACHINE_REFUSES),
        _troubled(MACHINE_FAILS_ID, "Machine fails", Refusal.MACHINE_FAILS),
        replace(caption(), id=CLASSIC_TEXT_ID, name="Classic text", environment="staging", classic=True),
        DemoDeployment(
            id=CLASSIC_ID,
            name="Classic machine",
            description="",
            makes=Makes.PICTURE,
            inputs=(PROMPT, SEED, size_input("width", 512), size_input("height", 512)),
            environment="staging",
            classic=True,
        ),
    ]


def every_input() -> DemoDeployment:
    """Return a deployment with at least one input node of every class that the recorded deployment has."""
    plain = ("ImageAlpha", "Lora", "ImageBatch", "Video", "EXR", "Audio", "File")
    rest = tuple(InputNode(class_type=name, input_id=name.lower()) for name in plain)
    named = (
        InputNode(class_type="TextSingleLine", input_id="artist", default="oil painting"),
        InputNode(class_type="Number", input_id="cfg", display_name="CFG", default=7.5),
        InputNode(class_type="Checkpoint", input_id="ckpt", default="sd_xl_base_1.0.safetensors"),
    )
    return DemoDeployment(
        id=EVERY_INPUT_ID,
        name="Every input",
        description="",
        makes=Makes.PICTURE,
        inputs=(*picture().inputs, *named, *rest),
        environment="staging",
    )


def all_deployments() -> list[DemoDeployment]:
    return [*demo_deployments(), *troubled_deployments(), every_input()]
