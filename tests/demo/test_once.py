"""Run `python -m demo --once` as a person does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]


def test_one_picture_is_made_from_the_command_to_the_channel(tmp_path: Path) -> None:
    # The settings of a real bot in the shell must not reach the demo.
    of_a_real_bot = {"ALLOWED_GUILD_IDS": "1", "DAILY_GPU_SECONDS": "1", "DISCORD_TOKEN": "real"}
    ended = subprocess.run(  # noqa: S603  # our own module
        [sys.executable, "-m", "demo", "--once", "--output", tmp_path],
        cwd=ROOT,
        env={**os.environ, **of_a_real_bot},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    transcript = (tmp_path / "transcript.txt").read_text(encoding="utf-8")
    assert transcript in ended.stdout
    steps = (
        r"@ada sends /generate picture prompt:",
        r"ComfyDeploy +queue call with prompt='an island .*-> 200, run \w+",
        r"webhook +run \w+ running \d\d% -> the bot answers 204",
        r"now says: Generating: Picture .*▰.*\d\d%",
        r"webhook +run \w+ success, (1 output|\d outputs) -> the bot answers 204",
        r"writes in #pictures: @ada .*, with \S+\.png \(\d+ kB\), pinging @ada",
        r"bot +\w+: shown",
    )
    found = [re.search(step, transcript) for step in steps]
    assert [step for step, match in zip(steps, found, strict=True) if match is None] == []
    places = [match.start() for match in found if match]
    assert places == sorted(places)
    assert len(re.findall("queue call", transcript)) == 1
    assert transcript.count("pinging") == 1
    with Image.open(tmp_path / "picture.png") as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (912, 624))
