"""Write the tables of docs/configuration.md, and .env.example, from the descriptions of the settings."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from bot.config.settings import REQUIRED_SECRETS, Settings
from bot.deployments.schema import (
    Choice,
    DeploymentSettings,
    FollowUpSettings,
    InputSettings,
    PictureCheckSettings,
    SizesSettings,
)
from bot.deployments.schema.field_types import mistakes
from bot.domain.settings.fields import FIELDS, SECTIONS
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.settings.setting_types import SettingsContext

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / ".env.example"
TARGET = ROOT / "docs" / "configuration.md"
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def about(field: FieldInfo) -> str:
    """Return a setting's description in one line, or an empty string if the setting isn't for operators."""
    return " ".join((field.description or "").split())


def takes(field: FieldInfo) -> str:
    """Return the accepted values, in the words of the setting's own error message."""
    metadata = tuple(field.metadata)
    shape: Any = Annotated[(field.annotation, *metadata)] if metadata else field.annotation
    limits = [getattr(each, name) for each in metadata for name in ("ge", "le") if hasattr(each, name)]
    if len(limits) == 2:
        return f"a whole number from {limits[0]} to {limits[1]}"
    # A validated type refuses at least one of these: '?' is no number or URL, and 'a b' no single word.
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
    for end in (", with ", ", without ", "; ", ". ", " (the first)"):
        said = said.partition(end)[0]
    return said


def default(field: FieldInfo) -> str:
    """Return a setting's default as an operator writes it, or an empty string."""
    value = field.default
    value = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    if isinstance(value, frozenset) or value in (None, (), ""):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def groups() -> Mapping[str, Sequence[str]]:
    """Return the names of the settings in each group of .env.example, by the title in its first line."""
    _, *found = EXAMPLE.read_text(encoding="utf-8").strip().split("\n\n")
    return {
        group.partition("\n")[0].lstrip("# "): re.findall(r"^(\w+)=", group, re.MULTILINE) for group in found
    }


def of_environment(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    for name in names:
        field = Settings.model_fields[name.lower()]
        shown = f"`{default(field)}`" if default(field) else ""
        yield f"`{name}`", takes(field), "needed" if name in REQUIRED_SECRETS else shown, about(field)


def of_table(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        if field.description:
            yield f"`{field.alias or name}`", about(field)


def of_servers() -> Iterator[tuple[str, ...]]:
    """Yield the rows about the settings of servers."""
    for field in sorted(FIELDS, key=lambda field: [*SECTIONS].index(field.section.name)):
        shown = field.setting.kind.show(field.value(ServerRules()), SettingsContext())
        yield field.section.title, field.setting.label, shown, field.setting.about


def tables() -> Mapping[str, tuple[tuple[str, ...], Iterable[tuple[str, ...]]]]:
    """Return the head and the rows of each table in the document."""
    of_file = {
        "deployment": DeploymentSettings,
        "sizes": SizesSettings,
        "input": InputSettings,
        "follow_up": FollowUpSettings,
        "choice": Choice,
        "picture_check": PictureCheckSettings,
    }
    return {
        **{name: (("setting", ""), of_table(model)) for name, model in of_file.items()},
        "servers": (("part", "setting", "default", ""), of_servers()),
    }


def document() -> str:
    """Return docs/configuration.md with current tables."""
    found = {name: _table(*each) for name, each in tables().items()}
    head = ("variable", "takes", "default", "")
    found["environment"] = "\n".join(
        f"### {title}\n\n{_table(head, of_environment(names))}" for title, names in groups().items()
    )
    return _BLOCK.sub(lambda match: match[1] + found[match[2]] + match[3], TARGET.read_text(encoding="utf-8"))


def _table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    return "\n".join([_row(head), "|" + "---|" * len(head), *map(_row, rows)]) + "\n"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells).rstrip() + " |"


def example() -> str:
    """Return .env.example with current descriptions and defaults. Its first lines and groups don't change.
    A new setting needs a line `NAME=` in a group.
    """
    parts = [EXAMPLE.read_text(encoding="utf-8").partition("\n\n")[0]]
    for title, names in groups().items():
        parts.append("\n".join([f"## {title}", *(line for name in names for line in _lines(name))]))
    return "\n\n".join(parts) + "\n"


def _lines(name: str) -> Iterator[str]:
    field = Settings.model_fields[name.lower()]
    yield from textwrap.wrap(about(field), 120, initial_indent="# ", subsequent_indent="# ")
    yield f"{name}={default(field)}"


def main() -> int:
    TARGET.write_text(document(), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
