"""Compare what people see in each story with its transcript; `make snapshots` writes them anew."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TRANSCRIPTS = Path(__file__).with_name("transcripts")
_PROJECT = Path(__file__).resolve().parents[2]
_STORIES = sorted(path.stem.removeprefix("story_") for path in Path(__file__).parent.glob("story_*.py"))

Play = Callable[[str], str]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Play stories in a process of their own, because its clocks are replaced before it imports anything."""
    target = TRANSCRIPTS if os.environ.get("WRITE_SNAPSHOTS") else tmp_path_factory.mktemp("stories")
    command = [sys.executable, "-m", "tests.stories", str(target)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=_PROJECT, stdin=pipe, stdout=pipe, text=True) as player:  # noqa: S603
        assert player.stdin is not None
        assert player.stdout is not None
        stdin, stdout = player.stdin, player.stdout

        def play_one(name: str) -> str:
            print(name, file=stdin, flush=True)
            problem = stdout.readline().strip()
            assert not problem, ast.literal_eval(problem)
            return (target / f"{name}.txt").read_text(encoding="utf-8")

        yield play_one
        stdin.close()


@pytest.mark.parametrize("name", _STORIES)
def test_people_see_what_the_transcript_says(play: Play, name: str) -> None:
    seen = play(name)
    assert seen == (TRANSCRIPTS / f"{name}.txt").read_text(encoding="utf-8")


def test_each_transcript_has_a_story() -> None:
    assert sorted(path.stem for path in TRANSCRIPTS.glob("*.txt")) == _STORIES
