"""Add the list of channels, the tour and hints to simcord's preview pages, and cache their media.

simcord 3.2 has no options for this, so this module patches its server and its decoder. The links to the
channels contain the secrets of their pages, so the server sends them only to a page that sends its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aiohttp import web
from simcord import ChannelHandle
from simcord.preview._media import MediaError, MediaWorker
from simcord.preview._pages import _Page
from simcord.preview._server import PreviewServer
from yarl import URL

from demo.tour import TOUR
from demo.world import SERVER

_ADDED = [*Path(__file__).with_name("look").iterdir()]
_TYPES = {".css": "text/css", ".js": "application/javascript", ".svg": "image/svg+xml"}
# Replacements in simcord's files, by route.
_CHANGES = {
    "/": {
        "</head>": '<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/page.css"></head>',
        "</body>": '<script type="module" src="/page.js"></script></body>',
    },
    # simcord shows an ellipsis beside each optional option, where Discord shows the description. It also cuts
    # the value of an option after 24 characters, which hides the end of a prompt.
    "/commands.js": {
        '"command-suggestion-ellipsis", "…"': '"option-description", value.description',
        "Math.min(24, ": "Math.min(72, ",
    },
    # simcord asks for one to one options where there is one to choose.
    "/selects.js": {
        "${minimum}\u2013${maximum} options": "${minimum === maximum ? maximum : `${minimum} to ${maximum}`}",
    },
}


@dataclass(frozen=True, slots=True)
class Channel:
    """An entry in the list of channels, with the hint on its page. Backquotes mark code."""

    title: str
    about: str
    hint: str
    handle: ChannelHandle
    viewers: tuple[Any, ...]
    url: str = ""

    def entry(self, port: int | None) -> Mapping[str, Any]:
        """Return the entry for the page that is served on `port`."""
        here = URL(self.url).port == port
        return {"title": self.title, "about": self.about, "hint": self.hint, "url": self.url, "here": here}


class Media:
    """A cache of decoded pictures and videos, shared by all pages.

    Without it, simcord decodes each file again for each user, in a new process, which takes seconds.
    """

    def __init__(self) -> None:
        self._decode = MediaWorker._decode
        self._kept: dict[bytes, Any] = {}

    async def decode(self, worker: MediaWorker, key: str, blob: bytes, media_time: float | None) -> Any:
        """Decode a file, as simcord's `_decode` does. Of videos, only the first frame is cached."""
        if media_time:
            return await self._decode(worker, key, blob, media_time)
        digest = hashlib.sha256(blob).digest()
        if digest not in self._kept:
            try:
                self._kept[digest] = await self._decode(worker, key, blob, 0.0)
            except MediaError as error:
                self._kept[digest] = error
        if isinstance(found := self._kept[digest], MediaError):
            raise found
        return found

    async def prepare(self, blobs: Iterable[bytes]) -> None:
        """Decode new files before a page requests them, so that the page shows them immediately."""
        for blob in [*blobs]:
            with suppress(MediaError):
                await self.decode(MediaWorker(), "", blob, None)


@contextmanager
def changed_pages(channels: Sequence[Channel]) -> Iterator[Media]:
    """Change simcord's pages inside the block. Channels may still be added to the list meanwhile."""
    static, commands, look_up = PreviewServer._static, PreviewServer._commands, _Page._resolve_blob
    media = Media()

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
        body = {"server": SERVER, "tour": _tour(), "pages": [each.entry(self.port) for each in channels]}
        return web.json_response(body, headers=self._SECURITY_HEADERS)

    def look_up_linked(self: _Page, record: Any, metadata: Mapping[str, Any], source: Any) -> None:
        # simcord shows a file only in the message that it was uploaded with. The bot also shows pictures by
        # link, for example after Use as input. simcord still checks who may see that message.
        linked = source is not None and source[0] == "message"
        look_up(self, record, metadata, ("attachment",) if linked else source)

    async def decode(worker: MediaWorker, key: str, blob: bytes, media_time: float | None) -> Any:
        return await media.decode(worker, key, blob, media_time)

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
        patch.object(MediaWorker, "_decode", decode),
    ):
        yield media


def _tour() -> list[dict[str, Any]]:
    return [
        {"title": title, "steps": [{"what": what, "about": about} for what, about in steps.items()]}
        for title, steps in TOUR.items()
    ]
