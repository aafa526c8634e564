"""Extend simcord's preview pages with a list of channels, a tour, a hint and a cache of decoded media.

simcord 3.2 has no options for these, so this module extends its page and stylesheet, and patches its server
and its decoder. The links to the channels contain the secrets of their pages, so the server sends them only
to a page that sends its own secret.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import simcord.preview
from aiohttp import web
from simcord.preview._media import MediaError, MediaWorker
from simcord.preview._server import PreviewServer

from demo.tour import TOUR
from demo.world import SERVER

_ADDED = Path(__file__).with_name("look")
_SIMCORD = Path(simcord.preview.__file__).with_name("static")
# The number of decoded pictures and videos to keep; the demo's are small.
_KEPT = 64


@dataclass(frozen=True, slots=True)
class Channel:
    """A line of the list of channels, and the hint that its page shows. Backquotes mark code."""

    title: str
    url: str
    about: str
    hint: str


@contextmanager
def channel_list(channels: Mapping[int, Channel]) -> Iterator[None]:
    """List these channels on every page while the block runs. Each key is the port of the channel's page."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="comfydeploy-demo-page-")))
        stack.enter_context(_files(folder))
        stack.enter_context(_links(channels))
        yield


class Media:
    """A cache of decoded pictures and videos, shared by all pages.

    Without it, simcord decodes each file again for each user, in a new process, which takes seconds.
    """

    def __init__(self) -> None:
        self._decode = MediaWorker._decode
        self._kept: OrderedDict[bytes, Any] = OrderedDict()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Use this cache while the block runs."""
        cache = self

        async def decode(worker: MediaWorker, key: str, blob: bytes, media_time: float | None) -> Any:
            if media_time:
                return await cache._decode(worker, key, blob, media_time)
            return await cache._decoded(worker, key, blob)

        MediaWorker._decode = decode  # type: ignore[method-assign,assignment]  # the wrapped decoder, see above
        try:
            yield
        finally:
            MediaWorker._decode = self._decode  # type: ignore[method-assign]  # simcord's own again

    async def prepare(self, blobs: Iterable[bytes]) -> None:
        """Decode new files before a page asks for them, so that the page shows them at once."""
        worker = MediaWorker()
        for blob in [*blobs]:
            with suppress(MediaError):
                await self._decoded(worker, "", blob)

    async def _decoded(self, worker: MediaWorker, key: str, blob: bytes) -> Any:
        digest = hashlib.sha256(blob).digest()
        if digest not in self._kept:
            try:
                self._kept[digest] = await self._decode(worker, key, blob, 0.0)
            except MediaError as error:
                self._kept[digest] = error
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        found = self._kept[digest]
        if isinstance(found, MediaError):
            raise found
        return found


@contextmanager
def _files(folder: Path) -> Iterator[None]:
    """Serve simcord's page and stylesheet with the demo's additions."""
    style = folder / "preview.css"
    added = (_ADDED / "page.css").read_text(encoding="utf-8")
    style.write_text((_SIMCORD / style.name).read_text(encoding="utf-8") + added, encoding="utf-8")
    page = folder / "index.html"
    script = '<script type="module" src="/page.js"></script>\n  </body>'
    icon = '<link rel="icon" type="image/svg+xml" href="/favicon.ico">\n  </head>'
    text = (_SIMCORD / page.name).read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", script).replace("</head>", icon), encoding="utf-8")
    # simcord joins these paths to the folder of its own files, which an absolute path replaces.
    icon_file = str(_ADDED / "icon.svg")
    served = {
        "/": str(page),
        "/preview.css": str(style),
        "/page.js": str(_ADDED / "page.js"),
        "/favicon.ico": icon_file,
    }
    types = {str(page): "text/html", str(style): "text/css", icon_file: "image/svg+xml"}
    files, content_types = PreviewServer._STATIC_FILES, PreviewServer._STATIC_CONTENT_TYPES
    PreviewServer._STATIC_FILES = {**files, **served}
    PreviewServer._STATIC_CONTENT_TYPES = {**content_types, **types}
    try:
        yield
    finally:
        PreviewServer._STATIC_FILES, PreviewServer._STATIC_CONTENT_TYPES = files, content_types


@contextmanager
def _links(channels: Mapping[int, Channel]) -> Iterator[None]:
    answer = PreviewServer._commands

    async def answer_links(self: PreviewServer, request: web.Request) -> Any:
        if "channels" not in request.query:
            return await answer(self, request)
        if not self._authorized(request):
            raise web.HTTPUnauthorized
        pages = [{**asdict(channel), "here": port == self.port} for port, channel in channels.items()]
        tour = [{"title": part.title, "steps": [step._asdict() for step in part.steps]} for part in TOUR]
        body = {"server": SERVER, "pages": pages, "tour": tour}
        return web.json_response(body, headers=self._SECURITY_HEADERS)

    PreviewServer._commands = answer_links  # type: ignore[method-assign]  # the wrapped handler, see above
    try:
        yield
    finally:
        PreviewServer._commands = answer  # type: ignore[method-assign]  # simcord's own again
