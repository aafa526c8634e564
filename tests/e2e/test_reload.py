"""SIGHUP to the bot as a process: the file is read again, a broken one changes nothing."""

from __future__ import annotations

import signal
from pathlib import Path

from demo.standin.deployments import PICTURE_ID, VIDEO_ID
from tests.e2e.house import House, house

ONE = f'[deployments.paint]\ndeployment_id = "{PICTURE_ID}"\n'
TWO = f'{ONE}[deployments.film]\ndeployment_id = "{VIDEO_ID}"\n'


def options(home: House) -> set[str]:
    command = home.discord.commands.find("generate")
    return {option["name"] for option in command["options"]} if command else set()


async def test_sighup_reads_the_file_again(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    file.write_text(ONE, encoding="utf-8")
    async with house(tmp_path, COMFYDEPLOY_DEPLOYMENT_ID="") as home:
        await home.start()
        assert home.process is not None
        file.write_text(TWO, encoding="utf-8")
        home.process.send_signal(signal.SIGHUP)
        await home.discord.wait_until(lambda: {"paint", "film"} <= options(home))
        file.write_text("[deployments", encoding="utf-8")
        home.process.send_signal(signal.SIGHUP)
        await home.until(
            lambda: "the deployments stay as they were: deployments.toml can't be read" in home.log
        )
        assert {"paint", "film"} <= options(home)
        await home.discord.slash(home.alice, home.channel, "generate film", {"prompt": "a fox"})
        await home.settled(runs=1)
        assert home.rows("SELECT deployment, state FROM runs") == [("film", "succeeded")]
        assert await home.stop() == 0
