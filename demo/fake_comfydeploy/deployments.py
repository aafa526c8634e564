"""The demo's deployments, and the ids of all deployments of the fake ComfyDeploy.

The ids never change, because `deployments.toml` names them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

Default = str | int | float | bool | list[str | int] | None

PICTURE_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0001"
VARIATIONS_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0002"
VIDEO_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0003"
CAPTION_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0004"
FAILS_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0005"
SLOW_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0006"
UPSCALE_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0007"
ANIMATE_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0008"
RESTRICTED_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0009"
MACHINE_DOWN_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0101"
NO_CREDITS_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0102"
REJECTS_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0103"
CLASSIC_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0104"
EVERY_INPUT_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0105"
CLASSIC_TEXT_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0106"
MACHINE_REFUSES_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0107"
MACHINE_FAILS_ID = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e0108"

STYLES = ("photo", "watercolour", "oil painting", "ink", "neon", "pastel")
MOTIONS = ("zoom in", "zoom out", "pan")
SAMPLING = ("CheckpointLoaderSimple", "CLIPTextEncode", "KSampler", "KSampler", "VAEDecode")


class Makes(StrEnum):
    """The kind of output that a workflow produces."""

    PICTURE = "picture"
    PICTURES = "pictures"
    VIDEO = "video"
    TEXT = "text"
    LARGER = "larger"  # the picture that it is given, upscaled
    ANIMATED = "animated"  # a clip of the picture that it is given
    NOTHING = "nothing"  # an execution error in its last node


class Refusal(StrEnum):
    """The reason why a deployment's queue call always fails."""

    MACHINE_DOWN = "machine_down"
    MACHINE_FAILS = "machine_fails"
    NO_CREDITS = "no_credits"
    NODE_ERRORS = "node_errors"
    MACHINE_REFUSES = "machine_refuses"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputNode:
    """An input node of the workflow; `class_type` lacks its prefix `ComfyUIDeployExternal`.

    If `options` is a text, as a careless author may leave it, the service can't describe the deployment.
    """

    class_type: str
    input_id: str
    display_name: str = ""
    description: str = ""
    default: Default = None
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDeployment:
    """A deployment. `nodes` are the node classes that a run executes in order, each one step of progress, and
    `canvas_nodes` is the number of nodes of the editor's workflow, which each description contains.

    If `classic` is True, the deployment has a classic machine. Its runs go from `not-started` directly to
    `running`, and can't be cancelled. A run that makes only text never succeeds. A classic machine leaves it
    `running`; any other machine ends it as `timeout`.
    """

    id: str
    name: str
    description: str
    makes: Makes
    inputs: tuple[InputNode, ...]
    nodes: tuple[str, ...] = (*SAMPLING, "ComfyDeployOutputImage")
    environment: str = "production"
    gpu: str | None = None
    concurrency_limit: int = 2
    run_timeout: int = 3600
    classic: bool = False
    refusal: Refusal | None = None
    canvas_nodes: int = 0

    @property
    def is_describable(self) -> bool:
        return not any(isinstance(node.options, str) for node in self.inputs)


PROMPT = InputNode(
    class_type="Text",
    input_id="prompt",
    display_name="Prompt",
    description="What to draw",
    default="a quiet valley at dawn",
)
SEED = InputNode(
    class_type="NumberInt", input_id="seed", display_name="Seed", default=0, minimum=0, maximum=2**31
)


SOURCE = InputNode(
    class_type="Image", input_id="image", display_name="Picture", description="The picture to begin with"
)


def size_input(key: str, default: int) -> InputNode:
    return InputNode(
        class_type="NumberSliderInt",
        input_id=key,
        display_name=key.capitalize(),
        description=f"{key.capitalize()} in pixels",
        default=default,
        minimum=256,
        maximum=1536,
    )


def picture() -> DemoDeployment:
    inputs = (
        PROMPT,
        InputNode(
            class_type="TextAny",
            input_id="negative",
            display_name="Negative prompt",
            default="blurry, lowres",
        ),
        SEED,
        size_input("width", 768),
        size_input("height", 768),
        InputNode(class_type="Enum", input_id="style", display_name="Style", default="photo", options=STYLES),
        InputNode(
            class_type="NumberSlider",
            input_id="guidance",
            display_name="Guidance",
            description="How closely to follow the prompt",
            default=7.5,
            minimum=1,
            maximum=15,
        ),
        InputNode(class_type="Boolean", input_id="hires", display_name="Hi-res fix", default=False),
        InputNode(
            class_type="Image",
            input_id="image",
            display_name="Start image",
            description="A picture to begin from",
            default=["70", 0],
        ),
    )
    return DemoDeployment(
        id=PICTURE_ID, name="Picture", description="Landscapes", makes=Makes.PICTURE, inputs=inputs
    )


def variations() -> DemoDeployment:
    count = InputNode(
        class_type="NumberSliderInt",
        input_id="batch",
        display_name="Count",
        description="How many pictures",
        default=4,
        minimum=1,
        maximum=12,
    )
    return DemoDeployment(
        id=VARIATIONS_ID,
        name="Variations",
        description="Several landscapes at once",
        makes=Makes.PICTURES,
        inputs=(PROMPT, SEED, count, size_input("width", 512), size_input("height", 512)),
    )


def video() -> DemoDeployment:
    return DemoDeployment(
        id=VIDEO_ID,
        name="Video",
        description="A short clip",
        makes=Makes.VIDEO,
        inputs=(PROMPT, SEED),
        nodes=(*SAMPLING, "VHS_VideoCombine"),
        gpu="A10G",
        concurrency_limit=1,
    )


def caption() -> DemoDeployment:
    return DemoDeployment(
        id=CAPTION_ID,
        name="Caption",
        description="A caption in words",
        makes=Makes.TEXT,
        inputs=(PROMPT, SEED),
        nodes=("LoadImage", "CLIPVisionEncode", "ComfyDeployOutputText"),
    )


def fails() -> DemoDeployment:
    return DemoDeployment(
        id=FAILS_ID, name="Fails", description="Always fails", makes=Makes.NOTHING, inputs=(PROMPT,)
    )


def slow() -> DemoDeployment:
    return DemoDeployment(
        id=SLOW_ID,
        name="Slow",
        description="One run at a time, in many steps",
        makes=Makes.PICTURE,
        inputs=(PROMPT, SEED, size_input("width", 512), size_input("height", 512)),
        nodes=(*("KSampler",) * 40, "VAEDecode", "ComfyDeployOutputImage"),
        concurrency_limit=1,
    )


def upscale() -> DemoDeployment:
    scale = InputNode(
        class_type="NumberSliderInt",
        input_id="scale",
        display_name="Scale",
        description="How many times as large",
        default=2,
        minimum=2,
        maximum=4,
    )
    return DemoDeployment(
        id=UPSCALE_ID,
        name="Upscale",
        description="A larger picture",
        makes=Makes.LARGER,
        inputs=(SOURCE, scale),
        nodes=("LoadImage", "ImageUpscaleWithModel", "ComfyDeployOutputImage"),
    )


def animate() -> DemoDeployment:
    motion = InputNode(
        class_type="Enum",
        input_id="motion",
        display_name="Motion",
        description="How the camera moves",
        default=MOTIONS[0],
        options=MOTIONS,
    )
    return DemoDeployment(
        id=ANIMATE_ID,
        name="Animate",
        description="A short clip of a picture",
        makes=Makes.ANIMATED,
        inputs=(SOURCE, replace(PROMPT, description="What it shows", default=""), motion),
        nodes=("LoadImage", "KSampler", "VHS_VideoCombine"),
        concurrency_limit=1,
    )


def restricted() -> DemoDeployment:
    return DemoDeployment(
        id=RESTRICTED_ID,
        name="Restricted",
        description="Landscapes for age-restricted channels",
        makes=Makes.PICTURE,
        inputs=(PROMPT, SEED, size_input("width", 512), size_input("height", 512)),
    )


def demo_deployments() -> list[DemoDeployment]:
    """Return the deployments that the demo offers."""
    return [picture(), variations(), video(), caption(), fails(), slow(), upscale(), animate(), restricted()]
