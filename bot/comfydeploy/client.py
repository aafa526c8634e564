"""ComfyDeploy's HTTP API as the bot's backend. No call is retried here, because repeating one may start and
charge a second run; callers decide whether to retry.

Every fault becomes a `bot.domain.errors.BackendError`, whose `accepted` says whether a run may exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import aiohttp
from pydantic import SecretStr

from bot import __version__
from bot.comfydeploy.deployments import GPUS, parse_deployment
from bot.comfydeploy.wire import (
    WEBHOOKS,
    WebhookSigner,
    error_from_http,
    load,
    parse_log,
    parse_run,
    parse_webhook,
    scrub,
    uuid_of,
)
from bot.domain.backend import NO_RUN, DeploymentDescription
from bot.domain.errors import BackendBadReply, BackendError, BackendTimeout, BackendUnreachable, reason_of
from bot.domain.run_timing import QUEUE_CALL_SECONDS
from bot.domain.runs import Run, RunUpdate

MAX_REPLY = 4 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=10)
TIMEOUTS = {
    "queue": aiohttp.ClientTimeout(total=QUEUE_CALL_SECONDS, connect=10),
    "log": aiohttp.ClientTimeout(total=3),  # an outcome waits for it
}
# The errors that aiohttp raises before a byte of the request is sent.
_BEFORE_THE_REQUEST = (
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


def open_session() -> aiohttp.ClientSession:
    """Open a session without keep-alive, so that no queue call uses a connection that has just been closed.

    On a reused connection, a disconnect does not tell whether the request was read, so each such race would
    leave a run `unconfirmed`. Calls are few, so a handshake for each is cheap in comparison.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"comfydeploy-bot/{__version__}"},
    )


class ComfyDeploy:
    """A client for ComfyDeploy's API at `base_url`. It implements `bot.domain.backend.Backend`.

    Pass a session from `open_session`. `called` gets each call's name, status or `no_answer`, and seconds.
    """

    gpus = GPUS
    webhooks = WEBHOOKS
    read_webhook = staticmethod(parse_webhook)

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        api_key: SecretStr,
        signer: WebhookSigner,
        called: Callable[[str, str, float], None] = lambda *_: None,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._signer = signer
        self._called = called
        self.is_webhook_authentic = signer.verify

    async def describe_deployment(self, deployment_id: str) -> DeploymentDescription:
        """Describe a deployment.

        An unknown id raises BackendServerError, because ComfyDeploy responds with 500, as it may in an
        outage. BackendCrashed means that ComfyDeploy is away, or that it can't describe this deployment.
        """
        path = f"/deployment/{quote(deployment_id, safe='')}"
        return parse_deployment(await self._call("deployment", "GET", path))

    async def ping(self) -> None:
        """Ask about a run that can't exist, to which ComfyDeploy responds with a 404."""
        try:
            await self.get_run(NO_RUN)
        except BackendError as error:
            if error.passing and not isinstance(error, BackendBadReply):
                raise

    async def start_run(self, run: Run) -> str:
        body: dict[str, Any] = {"deployment_id": run.deployment_id, "inputs": dict(run.inputs)}
        if (webhook := self._signer.url(run.key)) is not None:
            # The second field asks for updates of the progress.
            body |= {"webhook": webhook, "webhook_intermediate_status": True}
        if run.gpu is not None:
            body["gpu"] = run.gpu
        reply = await self._call("queue", "POST", "/run/deployment/queue", json=body)
        return uuid_of(load(reply, dict), "run_id")

    async def get_run(self, run_id: str) -> RunUpdate:
        params = {"queue_position": "true"}
        update = parse_run(await self._call("run", "GET", f"/run/{quote(run_id, safe='')}", params=params))
        if update.run_id != run_id:
            raise BackendBadReply(f"200: an answer about another run, {update.run_id}")
        return update

    async def cancel_run(self, run_id: str) -> None:
        """Ask ComfyDeploy to stop a run. ComfyDeploy responds with 200 even if the run has ended."""
        await self._call("cancel", "POST", f"/run/{quote(run_id, safe='')}/cancel")

    async def read_log(self, run_id: str) -> list[str]:
        """Return the lines of a run's log. The path is undocumented."""
        path = f"/v2/clickhouse-run-logs/{quote(run_id, safe='')}"
        lines = parse_log(await self._call("log", "GET", path))
        return [scrub(line, (self._api_key.get_secret_value(),)) for line in lines]

    async def _call(self, call: str, method: str, path: str, **kwargs: Any) -> bytes:
        """Return the body of a 2xx response. Raises BackendError for any other response, or for none.

        `call` is the name of the call in the metrics.
        """
        key, result = self._api_key.get_secret_value(), "no_answer"
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with self._session.request(
                method,
                self._base_url + path,
                headers={"Authorization": f"Bearer {key}", "Accept": "application/json"},
                timeout=TIMEOUTS.get(call, _TIMEOUT),
                allow_redirects=False,
                **kwargs,
            ) as response:
                result = str(response.status)
                if 200 <= response.status < 300:
                    body = await _read(response)
                    if len(body) > MAX_REPLY:
                        raise BackendBadReply(f"{response.status}: a body of more than {MAX_REPLY} bytes")
                    return body
                body = b""
                # The status is known, so as much of the body as arrives is enough.
                with suppress(aiohttp.ClientError, TimeoutError):
                    body = await _read(response)
                raise error_from_http(response.status, response.headers, body, call=call, secrets=(key,))
        except (aiohttp.ClientError, TimeoutError) as error:
            kind: type[BackendError] = BackendBadReply
            if isinstance(error, _BEFORE_THE_REQUEST):
                kind = BackendUnreachable
            elif isinstance(error, TimeoutError | aiohttp.ClientConnectionError | aiohttp.ClientPayloadError):
                kind = BackendTimeout
            # `from None`, because aiohttp's exceptions contain the request's headers.
            raise kind(scrub(f"{method} {path}: {reason_of(error)}", (key,))[:1000]) from None
        finally:
            self._called(call, result, clock() - began)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_REPLY:
            break
    return bytes(body)
