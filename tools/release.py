"""Print the notes of a release, if its tag, version and changelog agree: `python -m tools.release v1.0.0`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from bot import __version__

ROOT = Path(__file__).resolve().parents[1]
UPGRADE = (
    "To upgrade, back up, then run `docker compose pull && docker compose up -d`, or `pipx install --force` "
    "with the wheel below. docs/operations.md says more."
)


def notes(tag: str, changelog: str) -> str:
    """Return the section of the changelog about a tag. Raises ValueError if they and the version disagree."""
    if tag != f"v{__version__}":
        raise ValueError(f"the tag is {tag}, but __version__ in bot/__init__.py is {__version__}")
    sections = re.split(r"^## (\S+).*$", changelog, flags=re.MULTILINE)
    if len(sections) < 3 or sections[1] != __version__:
        raise ValueError(f"the first section of CHANGELOG.md isn't {__version__}")
    return f"{sections[2].strip()}\n\n{UPGRADE}\n"


def main() -> int:
    try:
        sys.stdout.write(notes(sys.argv[1], (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    except (IndexError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
