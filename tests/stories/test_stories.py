"""Compare what people see in each story with its transcript; `make snapshots` writes them anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRANSCRIPTS = Path(__file__).with_name("transcripts")
_PROJECT = Path(__file__).resolve().parents[2]
_STORIES = sorted(path.stem.removeprefix("story_") for path in Path(__file__).parent.glob("story_*.py"))
# A process plays several stories, because its start takes longer than a story.
_AT_ONCE = 5


@pytest.mark.parametrize("first", range(0, len(_STORIES), _AT_ONCE))
def test_people_see_what_the_transcripts_say(tmp_path: Path, first: int) -> None:
    names = _STORIES[first : first + _AT_ONCE]
    target = TRANSCRIPTS if os.environ.get("WRITE_SNAPSHOTS") else tmp_path
    command = [sys.executable, "-m", "tests.stories", str(target), *names]
    done = subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    for name in names:
        seen = (target / f"{name}.txt").read_text(encoding="utf-8")
        assert seen == (TRANSCRIPTS / f"{name}.txt").read_text(encoding="utf-8"), name


def test_each_transcript_has_a_story() -> None:
    assert sorted(path.stem for path in TRANSCRIPTS.glob("*.txt")) == _STORIES
