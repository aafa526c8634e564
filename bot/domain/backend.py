"""The protocol of the backend that runs workflows, and its plain records.

`RunUpdate` and `Output` in `bot.domain.runs` also belong to the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.domain.runs import Run, RunUpdate

WEBHOOK_PATH = "/webhooks/comfydeploy"

NO_RUN = "00000000-0000-4000-8000-000000000000"  # has the form of an id, and is nobody's


class InputKind(StrEnum):
    """The kind of an input's value, which decides the type of the slash-command option."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    IMAGE = "image"
    IMAGES = "images"  # several attachments, sent as a list of URLs
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"
    WEIGHTS = "weights"  # a LoRA or checkpoint, limited to the configured choices


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDescription:
    """An input as the backend describes it.

    `class_name` is the backend's own name for the input's class, or None if the backend doesn't describe the
    input. `kind` is None if it can't be determined. A multi-line text may be the prompt. An input with
    `has_hidden_default` has a default that can't be shown, and its `default` is None.
    """

    key: str
    class_name: str | None = None
    kind: InputKind | None = None
    multi_line: bool = False
    display_name: str = ""
    description: str = ""
    default: str | int | float | bool | None = None
    has_hidden_default: bool = False
    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentDescription:
    """A deployment as the backend describes it.

    `gpu` is set if the deployment runs only on that GPU. `run_timeout` is in seconds. Inputs that share a key
    all receive the same value.
    """

    id: str
    name: str = ""
    description: str = ""
    gpu: str | None = None
    concurrency_limit: int | None = None
    run_timeout: int | None = None
    inputs: tuple[InputDescription, ...] = ()


class Backend(Protocol):
    """The service that runs workflows. Each call makes one attempt, and raises BackendError if it fails.

    One backend serves all deployments. The bot assumes the following of it:

    - The ids of deployments are UUIDs. The buttons of follow-ups contain them.
    - A run id identifies a run without its deployment.
    - The machine fetches input files from their URLs.
    - Outputs can be fetched without credentials, at least for some hours.
    - If the reply to `start_run` is lost, only a webhook, whose URL contains the run key, shows that the run
      exists.
    """

    @property
    def gpus(self) -> tuple[str, ...]:
        """Return the GPUs to choose from if neither a deployment nor its configuration limits them."""

    @property
    def webhooks(self) -> Sequence[tuple[str, str]]:
        """Return the HTTP methods and aiohttp's routes of webhooks, with the variables `key` and `mac`."""

    async def describe_deployment(self, deployment_id: str) -> DeploymentDescription:
        """Return the backend's current description of a deployment."""

    async def ping(self) -> None:
        """Check that the backend responds. A refusal counts; raises BackendError if there is no reply."""

    async def start_run(self, run: Run) -> str:
        """Start a run and return its id. After an error that is `accepted`, the run may exist anyway."""

    async def get_run(self, run_id: str) -> RunUpdate:
        """Return the current state of a run, with links that have not expired."""

    async def cancel_run(self, run_id: str) -> None:
        """Ask the backend to stop a run, or raise BackendNotCancellable. One that has ended is no error."""

    async def read_log(self, run_id: str) -> Sequence[str]:
        """Return the lines of a run's log, oldest first, without our API key. There may be none."""

    def is_webhook_authentic(self, key: str, mac: str) -> bool:
        """Return in constant time whether `mac`, from a webhook's URL, is that of the run key `key`."""

    def read_webhook(self, body: bytes) -> RunUpdate:
        """Parse the body of an authentic webhook, or raise BackendBadReply."""
