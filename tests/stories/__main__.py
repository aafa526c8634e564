"""Play stories and write what people saw: `python -m tests.stories FOLDER [NAME …]`."""

from __future__ import annotations

# Before every other import, because it replaces the clocks.
import tests.simulation.engine.patches  # isort: skip

import gc
import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

import tests.stories
from tests.stories.stage import play

PREFIX = "story_"


def names() -> list[str]:
    """Return the names of all stories, in reading order."""
    found = (module.name for module in pkgutil.iter_modules(tests.stories.__path__))
    return sorted(name.removeprefix(PREFIX) for name in found if name.startswith(PREFIX))


def main(target: Path, wanted: list[str]) -> None:
    gc.disable()
    with tempfile.TemporaryDirectory(prefix="stories-") as folder:
        tempfile.tempdir = folder
        for name in wanted or names():
            module = importlib.import_module(f"tests.stories.{PREFIX}{name}")
            title = (module.__doc__ or "").strip()
            seen = play(name, module.story, Path(folder) / name)
            (target / f"{name}.txt").write_text(f"{title}\n\n{seen}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
