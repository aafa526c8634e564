"""A deployments.toml with the follow-ups Upscale and Animate, and requests whose results they take."""

from __future__ import annotations

from functools import partial

from demo.fake_comfydeploy.deployments import ANIMATE_ID, PICTURE_ID, UPSCALE_ID
from demo.world import open_attachment
from tests.discord.deployments import described
from tests.harness import Harness

UPSCALE = '[[deployments.picture.then]]\ndeployment = "upscale"\nlabel = "Upscale"\nemoji = "🔍"\n'
ANIMATE = """
[[deployments.picture.then]]
deployment = "animate"
label = "Animate"
carry = ["prompt"]
ask = ["motion"]
"""
TARGETS = described(upscale=UPSCALE_ID, animate=ANIMATE_ID) + "inputs.prompt.required = false\n"
PICTURE = described(picture=PICTURE_ID)
BOTH = f"{PICTURE}{UPSCALE}{ANIMATE}{TARGETS}"
BY = [f"{UPSCALE.replace('Upscale', f'{n}×')}inputs.scale = {n}\n" for n in (2, 3, 4)]
MANY = f"{PICTURE}{''.join(BY)}{UPSCALE}{ANIMATE}{TARGETS}"
# The options of a request whose result is small enough to be enlarged.
SMALL = {"width": 256, "height": 256, "command": "generate picture"}


def let_open(bot: Harness) -> None:
    """Let the fake ComfyDeploy open the offline Discord's files; otherwise, runs that take one fail."""
    bot.comfydeploy.open_link = partial(open_attachment, bot.app)
