"""The documents: their links, names, the reference of the settings, and what the privacy policy promises."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from bot.config.settings import NAMES, SECRETS, Settings
from bot.context import LONGEST_SLEEP
from bot.database import postgres
from bot.database.tables import alembic_version, metadata
from bot.delivery.deliver import LEASE
from bot.domain import run_timing
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import ledger, messages, requests
from tools.configuration import EXAMPLE, TARGET, document, example

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob(".github/*.md"), *(ROOT / "docs").rglob("*.md")])
IDS = [str(path.relative_to(ROOT)) for path in DOCUMENTS]

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$", re.MULTILINE)
_NAMED = re.compile(r"`((?:bot|cogs|demo|tests|tools|deploy|docs)/[\w./-]+)`")
_MODULE_OR_FILE = re.compile(
    r"(?<![\w/.])(?:bot|cogs|demo|tests|tools|deploy|docs)(?:(?:/[\w-]+)+\.(?:py|md|toml|yaml)\b|(?:\.\w+)+)"
)
_MAKE = re.compile(r"\bmake ([a-z]+)\b")
_SETTING = re.compile(
    r"`((?:DISCORD|COMFYDEPLOY|WEB|WEBHOOK|METRICS|DATABASE|SHARD|LOG|ALLOW|ALLOWED|COMMAND)_[A-Z_]+)\b"
)


def prose(path: Path) -> str:
    """Return a document without its blocks of code, where brackets mean something else."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> Iterator[str]:
    text = _CODE.sub("", prose(path))
    yield from (found for found in _LINK.findall(text) if not urlsplit(found).scheme)


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.lower()).strip().replace(" ", "-")


@cache
def anchors(path: Path) -> frozenset[str]:
    found: dict[str, int] = {}
    for heading in _HEADING.findall(prose(path)):
        found[slug(heading)] = found.get(slug(heading), 0) + 1
    numbered = {f"{name}-{number}" for name, count in found.items() for number in range(1, count)}
    return frozenset({*found, *numbered})


def broken(path: Path) -> list[str]:
    wrong = []
    for link in links(path):
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.is_relative_to(ROOT) or not target.exists():
            wrong.append(f"{link}: no such file")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            wrong.append(f"{link}: no such heading")
    return wrong


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    assert broken(path) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_named_files_make_targets_and_settings_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    missing = [name for name in _NAMED.findall(text) if not (ROOT / name.rstrip("/.")).exists()]
    assert missing == []
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    code = "\n".join([*_CODE.findall(prose(path)), *(found.group() for found in _FENCE.finditer(text))])
    assert [name for name in _MAKE.findall(code) if name not in targets] == []
    known = {*NAMES, *(f"{name}_FILE" for name in SECRETS)}
    assert [name for name in _SETTING.findall(text) if name not in known] == []


def _names_in_prose(path: Path) -> Iterator[str]:
    """Yield the files and modules that the comments and docstrings of a Python file name."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            is_docstring = token.type == tokenize.STRING and token.string.startswith('"""')
            if is_docstring or token.type == tokenize.COMMENT:
                yield from _MODULE_OR_FILE.findall(token.string)


def _exists(name: str) -> bool:
    """Return whether a file exists, or a module and the name in it."""
    if "/" in name:
        return (ROOT / name).exists()
    path = ROOT
    for part in name.split("."):
        if path.suffix == ".py":
            return re.search(rf"\b{part}\b", path.read_text(encoding="utf-8")) is not None
        path = path / part if (path / part).is_dir() else path / f"{part}.py"
        if not path.exists():
            return False
    return True


@pytest.mark.parametrize("package", ["bot", "cogs", "demo", "tests", "tools", "deploy"])
def test_files_and_modules_named_in_docstrings_and_comments_exist(package: str) -> None:
    named = {(path, name) for path in (ROOT / package).rglob("*.py") for name in _names_in_prose(path)}
    assert [(str(path), name) for path, name in sorted(named) if not _exists(name)] == []


def test_the_reference_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == document(), (
        "run `make docs` and commit docs/configuration.md"
    )
    assert EXAMPLE.read_text(encoding="utf-8") == example(), "run `make docs` and commit .env.example"


POLICY = (ROOT / "docs" / "legal" / "privacy-policy.md").read_text(encoding="utf-8")
ROWS = {
    cells[2].strip(" `"): (cells[0], cells[1].strip())
    for line in POLICY.splitlines()
    if line.startswith("| ") and line.endswith("` |")
    for cells in [line.strip("|").split("|")]
}
_PERSON = re.compile(r"(requester|person|holder|actor|subject|user)_id|\w+_by")


def test_every_table_about_people_is_in_the_policy() -> None:
    about_people = {
        name
        for name, table in metadata.tables.items()
        if any(_PERSON.fullmatch(column.name) for column in table.columns)
    }
    assert set(ROWS) == about_people
    (others,) = re.findall(r"hold nothing about users: (.*)\.", POLICY)
    assert set(re.findall(r"`(\w+)`", others)) == {*metadata.tables, alembic_version.name} - about_people


def test_the_periods_are_those_of_the_code() -> None:
    default = ServerRules().retention_days
    of_the_server = f"the server's period, by default {default} days"
    assert {name for name, row in ROWS.items() if row[1] == of_the_server} == {
        *("requests", "runs", "messages", "audit")
    }
    assert ROWS["usage"][1] == f"{ledger._KEPT.days} days"


def test_another_process_goes_on_within_the_documented_bounds() -> None:
    text = (ROOT / "docs" / "several-processes.md").read_text(encoding="utf-8")
    of = Settings.model_fields
    keepalive = [int(postgres._SESSION[f"tcp_keepalives_{name}"]) for name in ("idle", "interval", "count")]
    assert requests._SHOWING <= LEASE
    assert [int(bound) for bound in re.findall(r"^\|.*\| (\d+) s \|", text, re.MULTILINE)] == [
        (LEASE + messages._LOOK_AGAIN).total_seconds(),
        LONGEST_SLEEP.total_seconds(),
        of["submit_grace_seconds"].default,
        run_timing._LONGEST_PAUSE * of["poll_interval_seconds"].default,
        keepalive[0] + keepalive[1] * keepalive[2],
    ]
