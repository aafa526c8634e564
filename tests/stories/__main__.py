"""Play stories and write what people saw: `python -m tests.stories FOLDER NAME …`, or names on stdin."""

from __future__ import annotations

# Before every other import, because it replaces the clocks.
import tests.simulation.engine.patches  # noqa: F401  # isort: skip

import gc
import importlib
import sys
import traceback
from pathlib import Path

from tests.simulation.setup import fast_folder
from tests.stories.stage import play


def main(target: Path, names: list[str]) -> None:
    """Print a line after each story: empty if it is written, otherwise why it failed."""
    gc.disable()
    with fast_folder("stories-") as folder:
        for name in names or map(str.strip, sys.stdin):
            problem = ""
            try:
                write(name, target, folder / name)
            except Exception:  # the test that waits for this line fails with it
                problem = repr(traceback.format_exc())
            sys.stdout.write(f"{problem}\n")
            sys.stdout.flush()


def write(name: str, target: Path, folder: Path) -> None:
    module = importlib.import_module(f"tests.stories.story_{name}")
    title = (module.__doc__ or "").strip()
    seen = play(name, module.story, folder)
    (target / f"{name}.txt").write_text(f"{title}\n\n{seen}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
