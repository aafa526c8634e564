"""Add the list of channels, the tour and hints to simcord's preview pages, cache their media, and accept
clicks on a page that is out of date.

simcord 3.2 has no options for this, so this module patches its server, its actions and its decoder. The
links to the channels contain the secrets of their pages, so the server sends them only to a page that sends
its own.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aiohttp import web
from simcord.preview import Preview, _action_plans, _component_projection
from simcord.preview._media import MediaWorker
from simcord.preview._pages import _Page
from simcord.preview._server import PreviewServer

from demo.tour import TOUR
from demo.world import OUTSIDE, SERVER, World

_ADDED = [*Path(__file__).with_name("look").iterdir()]
_TYPES = {".css": "text/css", ".js": "application/javascript", ".svg": "image/svg+xml"}
# Replacements in simcord's files, by route.
_CHANGES = {
    "/": {
        "</head>": '<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/page.css"></head>',
        "</body>": '<script type="module" src="/page.js"></script></body>',
    },
    # simcord shows an ellipsis beside each optional option, where Discord shows the description. It also cuts
    # the value of an option after 24 characters; the line is its limit, because an input field can't wrap.
    "/commands.js": {
        '"command-suggestion-ellipsis", "…"': '"option-description", value.description',
        "Math.min(24, ": "Math.min(4000, ",
    },
    # simcord asks for one to one options where there is one to choose.
    "/selects.js": {
        "${minimum}\u2013${maximum} options": "${minimum === maximum ? maximum : `${minimum} to ${maximum}`}",
    },
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page, as the list of channels names it, with its hint. Backquotes mark code.

    Anyone who has its `url` can act in the demo's Discord.
    """

    title: str
    about: str
    hint: str
    preview: Preview

    @property
    def url(self) -> str:
        return self.preview.url

    def entry(self, here: Preview) -> Mapping[str, Any]:
        """Return this page's entry in the list of channels on the page of `here`."""
        shown = {"title": self.title, "about": self.about, "hint": self.hint, "url": self.url}
        return {**shown, "here": self.preview is here}


@contextmanager
def changed_pages(world: World, pages: Sequence[Page]) -> Iterator[None]:
    """Change simcord's pages inside the block. Pages may still be added to the list meanwhile."""
    static, commands, look_up = PreviewServer._static, PreviewServer._commands, _Page._resolve_blob
    act, publish, decode, worker = Preview._action, Preview._publish, MediaWorker._decode, MediaWorker()
    decoded: dict[bytes, asyncio.Task[Any]] = {}

    async def serve_changed(self: PreviewServer, request: web.Request) -> web.Response:
        answer: web.Response = await static(self, request)
        for replaced, by in _CHANGES.get(request.path, {}).items():
            answer.text = (answer.text or "").replace(replaced, by)
        return answer

    async def answer_channels(self: PreviewServer, request: web.Request) -> Any:
        if "channels" not in request.query:
            return await commands(self, request)
        if not self._authorized(request):
            raise web.HTTPUnauthorized
        body = {"server": SERVER, "tour": _tour(), "pages": [page.entry(self.preview) for page in pages]}
        return web.json_response(body, headers=self._SECURITY_HEADERS)

    def look_up_linked(self: _Page, record: Any, metadata: Mapping[str, Any], source: Any) -> None:
        # simcord shows a file only in the message that it was uploaded with. The bot also shows pictures by
        # link, for example after Use as input. simcord still checks who may see that message.
        linked = source is not None and source[0] == "message"
        look_up(self, record, metadata, ("attachment",) if linked else source)

    async def act_now(self: Preview, context_id: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        # simcord refuses every action that was taken before the page fetched the newest state. During a run
        # that state changes about once a second, so Cancel would fail at random. With the newest revision,
        # simcord only refuses buttons and selects that are gone: their keys have their custom_ids, see below.
        async with world.turn:
            await world.catch_up()
            world.env._preview = self  # the page that sent the action
            page = self._pages.get(context_id or "")
            newest = {} if page is None else {"published_revision": page.revision}
            return await act(self, context_id, {**body, **newest})

    def publish_now(self: Preview, page: _Page, **reason: Any) -> None:
        # simcord counts from the last refresh or its start, so that "just now" reads "in 8 seconds".
        self.capture_time = OUTSIDE.now()
        publish(self, page, **reason)

    async def decode_once(_worker: MediaWorker, key: str, blob: bytes, media_time: float | None) -> Any:
        # simcord decodes each file again for each user, in a new process, which takes seconds. Only the first
        # frame of a video is kept.
        if media_time:
            return await decode(worker, key, blob, media_time)
        digest = hashlib.sha256(blob).digest()
        if digest not in decoded:
            decoded[digest] = asyncio.create_task(decode(worker, key, blob, 0.0))
        return await asyncio.shield(decoded[digest])

    # simcord joins these paths to the folder of its own files, which an absolute path replaces.
    files = {f"/{file.name}": str(file) for file in _ADDED}
    types = {str(file): _TYPES[file.suffix] for file in _ADDED}
    with (
        patch.multiple(
            PreviewServer,
            _STATIC_FILES={**PreviewServer._STATIC_FILES, **files},
            _STATIC_CONTENT_TYPES={**PreviewServer._STATIC_CONTENT_TYPES, **types},
            _static=serve_changed,
            _commands=answer_channels,
        ),
        patch.object(_Page, "_resolve_blob", look_up_linked),
        patch.object(Preview, "_action", act_now),
        patch.object(Preview, "_publish", publish_now),
        patch.object(MediaWorker, "_decode", decode_once),
        patch.object(_component_projection, "_control_key", _unique(_component_projection._control_key)),
        patch.object(_action_plans, "_component_key", _unique(_action_plans._component_key)),
    ):
        yield


def _unique(key_of: Callable[..., str | None]) -> Callable[..., str | None]:
    """Add a control's custom_id to its key, which is only the number of the component in its message.

    Without it, Cancel and the "Try again" in its place share a key.
    """

    def key(*given: Any) -> str | None:
        found = key_of(*given)
        component = next(each for each in given if isinstance(each, Mapping))
        return found and f"{found}:{component.get('custom_id')}"

    return key


def _tour() -> list[dict[str, Any]]:
    return [
        {"title": title, "steps": [{"what": what, "about": about} for what, about in steps.items()]}
        for title, steps in TOUR.items()
    ]
