"""Any deployment that ComfyDeploy might describe, configured in any way."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from bot.comfydeploy.deployments import input_class
from bot.deployments.model import Deployment
from bot.deployments.schema import DeploymentSettings, InputSettings, SizesSettings
from bot.domain.backend import InputDescription
from tests.unit.deployments.made import PREFIX, UUID, compiled, info

CLASSES = [
    *(
        "Text",
        "TextAny",
        "TextSingleLine",
        "Number",
        "NumberSlider",
        "NumberInt",
        "NumberSliderInt",
        "Boolean",
    ),
    *("Enum", "Image", "ImageAlpha", "ImageBatch", "Video", "Audio", "File", "EXR", "Lora", "Checkpoint"),
    "Whatever",
]
_limits = st.none() | st.integers(-(2**60), 2**60) | st.floats(-1e6, 1e6)
_defaults = st.none() | st.text(max_size=40) | st.booleans() | st.integers(-(2**60), 2**60)

nodes = st.builds(
    InputDescription,
    key=st.sampled_from(
        ["prompt", "seed", "gpu", "more", "image", "image1", "images", "width", "height", "size"]
    )
    | st.text(min_size=1),
    input_class=st.builds(
        input_class,
        st.sampled_from([PREFIX + name for name in CLASSES]),
        st.sampled_from(["string", "integer", "float", "boolean", "binary", ""]),
    ),
    display_name=st.text(max_size=10),
    description=st.text(max_size=200),
    default=_defaults,
    has_hidden_default=st.booleans(),
    minimum=_limits,
    maximum=_limits,
    choices=st.lists(st.text(min_size=1, max_size=150), max_size=40).map(tuple),
)
number_nodes = st.builds(
    InputDescription,
    key=st.just(""),
    input_class=st.builds(input_class, st.sampled_from([f"{PREFIX}Number", f"{PREFIX}NumberSliderInt"])),
    default=_defaults,
    minimum=_limits | st.integers(1, 1024),
    maximum=_limits | st.integers(512, 4096),
)
_side = st.integers(1, 4096)
SHAPES = ("square", "portrait", "landscape")
sizes_configs = st.builds(
    SizesSettings,
    width=st.sampled_from(["width", "seed"]),
    default=st.none() | st.sampled_from(SHAPES),
    choices=st.tuples(*(st.tuples(_side, _side) for _ in SHAPES))
    .filter(lambda sizes: len(set(sizes)) == len(sizes))
    .map(lambda sizes: dict(zip(SHAPES, map(list, sizes), strict=True))),
)
input_configs = st.builds(
    InputSettings,
    required=st.none() | st.booleans(),
    hidden=st.booleans(),
    max_count=st.none() | st.integers(1, 10),
    description=st.none() | st.text(max_size=200),
    choices=st.lists(
        st.text("abc ", min_size=1).map(str.strip).filter(bool), unique=True, min_size=1, max_size=30
    ),
) | st.builds(InputSettings, required=st.none() | st.booleans(), hidden=st.booleans())


@st.composite
def deployments(draw: st.DrawFn) -> Deployment:
    # Lists of hypothesis are short by themselves; what is to be seen begins past 25.
    count = draw(st.integers(0, 40))
    found = tuple(draw(st.lists(nodes, min_size=count, max_size=count, unique_by=lambda item: item.key)))
    found += tuple(draw(st.lists(nodes, max_size=3)))
    keys = draw(st.lists(st.sampled_from(found), max_size=5)) if found else []
    sizes = draw(st.none() | sizes_configs)
    if sizes is not None:
        found += tuple(replace(draw(number_nodes), key=key) for key in sizes.keys)
    # What the file itself contradicts is refused before it is compiled.
    sides = sizes.keys if sizes is not None else ()
    config = DeploymentSettings(
        name="flux",
        sizes=sizes,
        deployment_id=UUID,
        description=draw(st.none() | st.text(max_size=300)),
        gpus=draw(st.none() | st.lists(st.text("ABC", min_size=1, max_size=50), unique=True, max_size=30)),
        inputs={
            node.key.strip(): draw(input_configs)
            for node in keys
            if node.key.strip() and node.key.strip() not in sides
        },
    )
    return compiled(config, info(*found))


@st.composite
def several(draw: st.DrawFn) -> list[Deployment]:
    """Draw up to 25 deployments of one or two kinds: drawing each anew costs more than planning them."""
    kinds = draw(st.lists(deployments(), min_size=1, max_size=2))
    count = draw(st.sampled_from([1, 3, 10, 25]))
    return [
        kinds[number % len(kinds)].model_copy(update={"name": f"deployment_{number}"})
        for number in range(count)
    ]
