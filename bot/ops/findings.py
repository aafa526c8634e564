"""What the checks of `check` share: their findings, and what they look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import aiohttp
import discord

from bot.comfydeploy.client import ComfyDeploy
from bot.comfydeploy.wire import WebhookSigner
from bot.config.settings import Settings
from bot.deployments.catalogue import Catalogue
from bot.deployments.schema import DeploymentSettings
from bot.outside import Outside


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check; `remedy` and `lines` (a table or list) are printed below it."""

    level: Level
    subject: str
    summary: str
    remedy: str = ""
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"{self.level:<8} {self.subject}: {self.summary}"
        remedy = [f"Remedy: {self.remedy}"] if self.remedy else []
        return "\n         ".join([head, *remedy, *self.lines])


def ok(subject: str, summary: str, *lines: str) -> Finding:
    return Finding(Level.OK, subject, summary, lines=lines)


def warning(subject: str, summary: str, remedy: str, *lines: str) -> Finding:
    return Finding(Level.WARNING, subject, summary, remedy, lines)


def problem(subject: str, summary: str, remedy: str, *lines: str) -> Finding:
    return Finding(Level.ERROR, subject, summary, remedy, lines)


@dataclass(slots=True)
class Setup:
    """What the checks look at, and what the earlier ones found out for the later ones.

    The secret of `signer` is a temporary one if the bot's own can't be read. `date` is the Date header of
    Discord's last answer.
    """

    settings: Settings
    outside: Outside
    signer: WebhookSigner
    backend: ComfyDeploy
    catalogue: Catalogue
    configs: Sequence[DeploymentSettings]
    client: discord.Client = field(init=False)
    application_id: int | None = None
    date: str | None = None

    def __post_init__(self) -> None:
        async def note_date(_: object, __: object, params: aiohttp.TraceRequestEndParams) -> None:
            self.date = params.response.headers.get("Date")

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(note_date)
        self.client = discord.Client(intents=discord.Intents.none(), http_trace=trace)
