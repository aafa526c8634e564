"""`make docs`: writes docs/configuration.md from the settings, .env.example and the shape of deployments.toml."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from bot.config.settings import REMEDIES, Settings
from bot.deployments.schema import ChoiceConfig, DeploymentConfig, InputConfig

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / ".env.example"
TARGET = ROOT / "docs" / "configuration.md"

HEAD = """\
# Configuration

<!-- Written by `make docs` from bot/config/, .env.example and bot/deployments/schema.py. Change those. -->

Settings are variables of the environment, or lines of a file `.env` in the working directory; the environment goes
first. An empty value counts as unset. Mistakes are told at the start, all of them at once; `python -m bot check` also
tries out what is set.
"""
FILE_HEAD = """
## deployments.toml

Says which deployments are offered, and what differs from what ComfyDeploy says of them;
[`deployments.example.toml`](../deployments.example.toml) shows each setting in its place. The bot reads the file again
on SIGHUP and on `/reload`; a file with mistakes changes nothing, and the mistakes are told.

A deployment that ComfyDeploy can't describe (its answer is a 500) is offered all the same where each of its inputs is
described here with a `kind` or a `class_type`.
"""
RENAMED = """
Servers' rules for a deployment (who may use it, whether it waits for approval) and presets go by NAME. Under another it is as a
new deployment to them, open to everybody: tell their admins before you change it. `/settings` shows them the old name as gone."""

OF_A_DEPLOYMENT = {
    "name": "",  # the table's own name
    "deployment_id": "its id, from the deployment's page in ComfyDeploy. Needed",
    "title": "how messages call it; else the workflow's name",
    "description": "shown beside the subcommand; else the workflow's description",
    "group": "makes it two words: `/generate video ltx`",
    "gpus": "the GPUs that may be chosen; left out: all that ComfyDeploy documents; `[]`: no choice",
    "default_gpu": "sent when nobody chooses; left out: the machine's own",
    "concurrency_limit": "how many runs of it at once; else what ComfyDeploy says",
    "max_count": "the most that one request may ask for with `count`, up to 10; else 4 where there is a seed to vary; "
    "below 4 there is no Vary, 1 offers no `count` either",
    "age_restricted": "only in channels that Discord marks as age-restricted",
    "only_listed_inputs": "inputs that are not listed are not offered",
    "inputs": "a table for each input, by its key in the workflow (its `input_id`), see below",
}
OF_AN_INPUT = {
    "option": "its name in Discord; else made of its name in the workflow",
    "description": "shown beside the option",
    "kind": "what is asked for, where ComfyDeploy doesn't say: `text`, `integer`, `float`, `boolean`, `choice`, "
    "`image`, `images`, `video`, `audio`, `file`, `weights`",
    "class_type": "the same by its node's class, such as `ComfyUIDeployExternalNumberInt`",
    "choices": "values, or `{name = …, value = …}`. Weights are offered only with choices",
    "min": "the least number",
    "max": "the greatest number",
    "min_length": "the least number of characters",
    "max_length": "the greatest number of characters, at most 6000",
    "default": "sent when the option is left out; without it ComfyDeploy's own default holds",
    "required": "whether the option must be given",
    "fixed": "always sent, never offered",
    "hidden": "not offered; ComfyDeploy's default holds",
    "max_count": "how many pictures a batch takes, up to 10: `image1`, `image2` …",
    "prompt": "the main text; without a mark it is found by its name",
    "seed": "drawn by the bot when left out, and shown",
}
OF_A_CHOICE = {"name": "what is shown", "value": "what is sent"}


def explained() -> Iterator[tuple[str, str]]:
    """Each variable of .env.example in its order, with the comment above it; empty where none is."""
    comment: list[str] = []
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            comment.append(line[2:])
            continue
        if "=" in line:
            yield line.partition("=")[0], " ".join(comment)
        comment = []


def takes(field: FieldInfo) -> str:
    """In the words with which the setting refuses what it doesn't take."""
    metadata = tuple(field.metadata)
    shape: Any = Annotated[(field.annotation, *metadata)] if metadata else field.annotation
    # None of them takes both: a blank is no word, and neither is a number, a name or an address.
    for nonsense in ("?", "a b"):
        try:
            TypeAdapter(shape).validate_python(nonsense)
        except ValidationError as error:
            return _positive(error.errors()[0]["msg"])
    return "text" if field.annotation is str else "a path"


def _positive(refusal: str) -> str:
    said = re.sub(r"^(Value error, )?must (be |have )?", "", refusal)
    for end in (", not ", "; ", ". "):
        said = said.partition(end)[0]
    return said


def default(name: str, field: FieldInfo) -> str:
    if field.is_required() or name in REMEDIES:
        return "needed"
    value = field.default
    value = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    if isinstance(value, frozenset) or value in (None, (), ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def settings_table() -> Iterator[str]:
    yield "| variable | takes | default | |"
    yield "|---|---|---|---|"
    about = ""
    for name, said in explained():
        # Two that stand together share the comment above the first.
        about = said or about
        field = Settings.model_fields[name.lower()]
        yield f"| `{name}` | {_cell(takes(field))} | {default(name, field)} | {_cell(about)} |"


def file_table(model: type[BaseModel], about: Mapping[str, str]) -> Iterator[str]:
    """KeyError for a setting that is not explained."""
    yield "| setting | |"
    yield "|---|---|"
    for name in model.model_fields:
        if about[name]:
            yield f"| `{name}` | {_cell(about[name])} |"


def document() -> str:
    parts = [
        HEAD,
        *settings_table(),
        FILE_HEAD,
        "In `[deployments.NAME]`, where NAME becomes the subcommand:\n",
        *file_table(DeploymentConfig, OF_A_DEPLOYMENT),
        RENAMED,
        "\nIn `[deployments.NAME.inputs.KEY]`:\n",
        *file_table(InputConfig, OF_AN_INPUT),
        "\nOf a choice:\n",
        *file_table(ChoiceConfig, OF_A_CHOICE),
    ]
    return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    TARGET.write_text(document(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
