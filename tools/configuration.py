"""Write docs/configuration.md from the settings, .env.example, deployments.toml's schema and `/settings`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from bot.config.settings import REQUIRED_SECRETS, Settings
from bot.deployments.schema import ChoiceConfig, DeploymentConfig, FollowUpConfig, InputConfig, SizesConfig
from bot.domain.mistakes import mistakes
from bot.domain.settings.fields import FIELDS, SECTIONS
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.settings.values import SettingsContext

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / ".env.example"
TARGET = ROOT / "docs" / "configuration.md"

HEAD = """\
# Configuration

<!-- Written by `make docs` from bot/config/, .env.example, bot/deployments/schema/ and bot/domain/settings/. Change those. -->

Settings are environment variables, or lines of a file `.env` in the working directory; the environment wins.
An empty value counts as unset. The bot reports mistakes when it starts; `python -m bot check` also tests the values.
"""
FILE_HEAD = """
## deployments.toml

This file lists the deployments to offer and overrides ComfyDeploy's description of them; see
[`deployments.example.toml`](../deployments.example.toml). SIGHUP and `/reload` reload the file; a file with
mistakes changes nothing.

A deployment that ComfyDeploy can't describe is offered if each of its inputs has a `kind` or a `class_type` here. Sizes and
follow-ups that don't fit the workflows are left out; startup, `/reload` and `check` say why.
"""
RENAMED = """
Presets and servers' rules (roles, approval) refer to NAME. A renamed deployment counts as new and is open to everybody, so
inform the servers' admins first."""

SIZES = """
Runs and presets store the two numbers, so **Again** and **Edit** keep an earlier size even if it is no longer a choice."""

SERVERS = """
## Server settings

Moderators change these in [`/settings`](moderation.md), each server for itself.
"""

OF_A_DEPLOYMENT = {
    "name": "",  # the table's own name
    "deployment_id": "required: its id, from its page in ComfyDeploy",
    "title": "its name in messages; default: the workflow's name",
    "description": "shown next to the subcommand; default: the workflow's description",
    "group": "a word before the subcommand: `/generate video ltx`",
    "gpus": "the GPUs to choose from; default: all that ComfyDeploy documents; `[]`: no choice",
    "default_gpu": "sent if the user chooses none; default: the machine's own, which servers' GPU rules can't know",
    "concurrency_limit": "its concurrent runs; default: ComfyDeploy's limit",
    "max_count": "the maximum of `count`, up to 10; default: 4 with a seed to vary, otherwise 1. Below 4 there is no button "
    "*4 more*, at 1 no `count`",
    "age_restricted": "allowed only in age-restricted channels",
    "only_listed_inputs": "offer only the inputs listed here",
    "sizes": "one choice instead of two inputs for width and height; see below",
    "inputs": "a table per input, by its `input_id` in the workflow; see below",
    "then": "follow-ups of a result; see below",
}
OF_A_FOLLOW_UP = {
    "deployment": "required: NAME of the deployment that it starts",
    "label": "required: the text of its button, up to 32 characters; short ones fit a phone's row",
    "emoji": "one Unicode emoji before the label",
    "input": "the input that takes the result, by key or option; default: the only one for that kind of file",
    "carry": "inputs copied from the result, by key or option; `prompt` is the prompt, whatever its key",
    "inputs": "fixed values, such as `{ scale = 4 }`",
    "ask": "inputs that a form asks for first. Required inputs without a value join them, up to five in all; without any, one press "
    "starts the run",
}
FOLLOW_UPS = """
A result has buttons for up to three follow-ups that take its files, as many as fit in two rows of a phone; **More** has the rest. A
follow-up takes the first file that fits. The first four in the file that take pictures are also commands on any picture: the message's
menu, *Apps*.

Posted buttons keep working if the target's NAME changes. If its `deployment_id` or the `label` changes, they don't, and
**More** has the new button."""
OF_SIZES = {
    "width": "the key of the input for the width; default: `width`",
    "height": "the key of the input for the height; default: `height`",
    "option": "its name in Discord; default: `size`",
    "description": "shown next to the option",
    "default": "sent if the option is left out; default: ComfyDeploy's defaults",
    "choices": "up to 25 names with width and height: `{ square = [1024, 1024], tall = [832, 1216] }`; default: square, "
    "portrait and landscape, with the area of the inputs' defaults",
}
OF_AN_INPUT = {
    "option": "its name in Discord; default: derived from its name in the workflow",
    "description": "shown next to the option",
    "kind": "its type, if ComfyDeploy doesn't say: `text`, `integer`, `float`, `boolean`, `choice`, "
    "`image`, `images`, `video`, `audio`, `file`, `weights`",
    "class_type": "instead of `kind`: its node's class, such as `ComfyUIDeployExternalNumberInt`",
    "choices": "values, or `{name = …, value = …}`; required for weights",
    "min": "the smallest number",
    "max": "the largest number",
    "min_length": "the minimum number of characters",
    "max_length": "the maximum number of characters, up to 6000",
    "default": "sent if the option is left out; default: ComfyDeploy's",
    "required": "whether the option must be given",
    "fixed": "always sent, never offered",
    "hidden": "not offered; ComfyDeploy's default applies",
    "max_count": "the number of pictures in an image batch, up to 10: `image1`, `image2` …",
    "prompt": "the main text; default: found by its name",
    "seed": "drawn by the bot if left out, and shown",
}
OF_A_CHOICE = {"name": "the text shown in Discord", "value": "the value sent"}


def explained() -> Iterator[tuple[str, str]]:
    """Yield each variable of .env.example, in order, with the comment directly above it or an empty string."""
    comment: list[str] = []
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            comment.append(line[2:])
            continue
        if "=" in line:
            yield line.partition("=")[0], " ".join(comment)
        comment = []


def takes(field: FieldInfo) -> str:
    """Return the accepted values, in the words of the setting's own error message."""
    metadata = tuple(field.metadata)
    shape: Any = Annotated[(field.annotation, *metadata)] if metadata else field.annotation
    limits = [getattr(each, name) for each in metadata for name in ("ge", "le") if hasattr(each, name)]
    if len(limits) == 2:
        return f"a whole number from {limits[0]} to {limits[1]}"
    # A validated type rejects at least one: '?' is neither a number nor a URL, 'a b' is not a single word.
    for nonsense in ("?", "a b"):
        try:
            TypeAdapter(shape).validate_python(nonsense)
        except ValidationError as error:
            first = error.errors()[0]
            words = _positive(next(mistakes(error)))
            return f"{words}; several with commas" if first["loc"] else words
    return "text" if field.annotation is str else "a path"


def _positive(refusal: str) -> str:
    said = re.sub(r"^(.*: )?must (be |have )?", "", refusal)
    for end in (", with ", ", without ", "; ", ". "):
        said = said.partition(end)[0]
    return said


def default(name: str, field: FieldInfo) -> str:
    if field.is_required() or name in REQUIRED_SECRETS:
        return "needed"
    value = field.default
    value = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    if isinstance(value, frozenset) or value in (None, (), ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def settings_table() -> Iterator[str]:
    yield "| variable | takes | default | |"
    yield "|---|---|---|---|"
    for name, about in explained():
        field = Settings.model_fields[name.lower()]
        yield f"| `{name}` | {_cell(takes(field))} | {default(name, field)} | {_cell(about)} |"


def file_table(model: type[BaseModel], about: Mapping[str, str]) -> Iterator[str]:
    """Yield the table of a section. Raises KeyError if a setting has no explanation."""
    yield "| setting | |"
    yield "|---|---|"
    for name in model.model_fields:
        if about[name]:
            yield f"| `{name}` | {_cell(about[name])} |"


def servers_table() -> Iterator[str]:
    """Yield the table of what moderators set, from its declarations."""
    yield "| part | setting | default | |"
    yield "|---|---|---|---|"
    for field in sorted(FIELDS, key=lambda field: [*SECTIONS].index(field.section.name)):
        shown = field.kind.show(field.value(ServerRules()), SettingsContext())
        setting = field.setting
        yield f"| {field.section.title} | {setting.label} | {shown} | {_cell(setting.about)} |"


def document() -> str:
    parts = [
        HEAD,
        *settings_table(),
        FILE_HEAD,
        "In `[deployments.NAME]`, where NAME becomes the subcommand:\n",
        *file_table(DeploymentConfig, OF_A_DEPLOYMENT),
        RENAMED,
        "\nIn `[deployments.NAME.sizes]`, which may be empty:\n",
        *file_table(SizesConfig, OF_SIZES),
        SIZES,
        "\nIn `[deployments.NAME.inputs.KEY]`:\n",
        *file_table(InputConfig, OF_AN_INPUT),
        "\nIn `[[deployments.NAME.then]]`, once per follow-up:\n",
        *file_table(FollowUpConfig, OF_A_FOLLOW_UP),
        FOLLOW_UPS,
        "\nIn a choice:\n",
        *file_table(ChoiceConfig, OF_A_CHOICE),
        SERVERS,
        *servers_table(),
    ]
    return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    TARGET.write_text(document(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
