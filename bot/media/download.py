"""Fetch an output within its limits into memory or a temporary file, and detect its type by its first bytes.

The address, the server and the body are all treated as hostile.
"""

from __future__ import annotations

import asyncio
import io
import mimetypes
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import IO, Final, Self
from weakref import WeakValueDictionary

import aiohttp
import filetype
from aiohttp.abc import AbstractResolver
from yarl import URL

from bot.domain.errors import MediaExpired, MediaForbidden, MediaTooLarge, MediaUnavailable, StartupError
from bot.media.ssrf import AddressRule, GuardedResolver, check_url, is_public

_CHUNK: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# How many files have their first bytes read at once. They don't wait for whole downloads.
_HEADS: Final = 8
_DOWNLOADS = 64
_DOWNLOADS_PER_SERVER = 4
# A file of at most this many bytes, like most pictures, is kept in memory; a larger one is on the disk.
IN_MEMORY = 2 * 1024 * 1024
_GONE: Final = frozenset({403, 404, 410})
# The query parameters of signed links: Amazon, Google, Cloudflare R2 and CloudFront, Azure, Discord.
_SIGNED: Final = frozenset({"X-Amz-Signature", "X-Goog-Signature", "Signature", "sig", "hm"})
# Seconds for an attempt to connect, until the headers (including redirects), between two chunks, and for a
# whole download.
CONNECT, ANSWER, IDLE, TOTAL = 10.0, 20.0, 15.0, 120.0
# From so many seconds after the headers, this many bytes per second must have arrived on average.
PATIENCE, RATE = 15.0, 16.0 * 1024
_MOST_REDIRECTS: Final = 5
SNIFF_BYTES: Final = 8192
UNKNOWN: Final = ("application/octet-stream", "bin")
TEXT: Final = ("text/plain", "txt")
# Types that workflows produce and `filetype` doesn't detect.
_SIGNATURES: Final = ((b"glTF", ("model/gltf-binary", "glb")), (b"v/1\x01", ("image/x-exr", "exr")))
# The more specific suffixes that a file of each detected type may keep. No program executes such files.
_ENDINGS: Final[Mapping[str, frozenset[str]]] = {
    "txt": frozenset({"csv", "json", "md", "srt", "vtt", "obj", "gltf", "yaml"}),
    "zip": frozenset({"usdz"}),
    "bin": frozenset({"fbx", "stl", "ply", "npy", "safetensors", "latent"}),
    "jpg": frozenset({"jpeg"}),
    "ogg": frozenset({"opus"}),
}
_RUNNABLE: Final = frozenset({"exe", "elf", "swf", "deb", "rpm", "crx", "nes", "wasm", "dex", "dey", "lnk"})


@dataclass(frozen=True, slots=True)
class Media:
    """A fetched output: its type by its content, the suffix for its name, and its size in bytes.

    Call `content.seek(0)` before reading.
    """

    content: IO[bytes]
    content_type: str
    suffix: str
    size: int


class MediaFetcher:
    """One HTTP session for all outputs, without cookies, proxies or credentials. Use with `async with`.

    `allows` decides which addresses may be connected to: `is_public`, or `public_or_in` for self-hosted
    machines. `resolver` replaces the system's. `read_offline` reads files that aren't on the network, as in
    tests and the demo, and returns None for others.
    """

    def __init__(
        self,
        *,
        allows: AddressRule = is_public,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._allows = allows
        self.read_offline: Callable[[str], Awaitable[bytes | None]] | None = None
        self._resolver = resolver
        self._session: aiohttp.ClientSession
        self._heads = asyncio.Semaphore(_HEADS)
        self._slots = asyncio.Semaphore(_DOWNLOADS)
        self._slots_of: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        resolver = GuardedResolver(self._resolver or aiohttp.ThreadedResolver(), self._allows)
        self._session = aiohttp.ClientSession(
            # No DNS cache, so that the address of every connection is checked.
            # No limit on connections: `_DOWNLOADS` and `_HEADS` limit the requests.
            connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=IDLE),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            # A few kilobytes of gzip can hold gigabytes, so bodies are requested and counted uncompressed.
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "comfydeploy-discord-bot"},
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    def may_link(self, url: str) -> bool:
        """Return whether a message may link to `url`, which may contain a password or reveal the operator's
        network.
        """
        try:
            check_url(_parse(url), self._allows)
        except MediaForbidden:
            return False
        return True

    async def fetch(
        self, url: str, limit: int, files: ExitStack, *, server: int, filename: str | None = None
    ) -> Media:
        """Download a file of at most `limit` bytes when a slot is free. `files` closes it.

        `filename` is the name that the service reports; by default it is taken from the URL. Raises
        MediaForbidden, MediaTooLarge, MediaExpired (renew the link) or MediaUnavailable (try again later).
        """
        of_server = self._slots_of.setdefault(server, asyncio.Semaphore(_DOWNLOADS_PER_SERVER))
        # In this order, a server whose downloads are slow doesn't block the others.
        async with of_server, self._slots:
            with retryable(_shown(url)):
                async with asyncio.timeout(TOTAL):
                    content = await self._download(url, limit, files)
                size = content.tell()
                content.seek(0)
                head = content.read(SNIFF_BYTES)
        name, (content_type, extension) = filename or URL(url).name, sniff(head)
        return Media(content, content_type, suffix_for(name, extension), size)

    async def head(self, url: str) -> bytes:
        """Return the first `SNIFF_BYTES` of a file, or all of a shorter one; the rest isn't downloaded.

        At most `_HEADS` files are read at once. Raises MediaForbidden, MediaExpired or MediaUnavailable.
        """
        if self.read_offline is not None and (file := await self.read_offline(url)) is not None:
            return file[:SNIFF_BYTES]
        with retryable(_shown(url)):
            async with (
                self._heads,
                asyncio.timeout(ANSWER),
                self._opened(url, {"Range": f"bytes=0-{SNIFF_BYTES - 1}"}) as response,
            ):
                head = b""
                while chunk := await response.content.read(SNIFF_BYTES - len(head)):
                    head += chunk
        return head

    async def _download(self, url: str, limit: int, files: ExitStack) -> IO[bytes]:
        """Return a file that ends at its position."""
        if self.read_offline is not None and (data := await self.read_offline(url)) is not None:
            if len(data) > limit:
                raise MediaTooLarge(f"more than {limit} bytes", limit=limit)
            content: IO[bytes] = io.BytesIO()
            content.write(data)
            return content
        async with self._opened(url, {}) as response:
            where, clock = _shown(response.url), asyncio.get_running_loop().time
            if (announced := response.content_length or 0) > limit:
                raise MediaTooLarge(f"{where}: {announced} bytes", limit=limit)
            if 0 < announced <= IN_MEMORY:
                content = io.BytesIO()
            else:
                content = files.enter_context(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
            size, began = 0, clock()
            while True:
                # The session's `sock_read` restarts with each byte of the chunked framing; this doesn't.
                async with asyncio.timeout(IDLE):
                    chunk = await response.content.read(_CHUNK)
                if not chunk:
                    break
                size += len(chunk)
                if size > limit:
                    raise MediaTooLarge(f"{where}: more than {limit} bytes", limit=limit)
                if (passed := clock() - began) > PATIENCE and size < passed * RATE:
                    raise MediaUnavailable(f"{where}: less than {RATE:.0f} bytes/s")
                content.write(chunk)
            if not size:
                raise MediaUnavailable(f"{where}: empty")
            if content.tell() < size:
                raise MediaUnavailable(f"{where}: the disk for temporary files is full")
            return content

    @asynccontextmanager
    async def _opened(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Follow redirects to a response with a body. A part of a file is accepted only with `headers`."""
        address = _parse(url)
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(ANSWER):
                for _ in range(_MOST_REDIRECTS + 1):
                    check_url(address, self._allows)
                    get = self._session.get(address, headers=headers, allow_redirects=False)
                    response = await stack.enter_async_context(get)
                    if response.status not in _REDIRECTS:
                        break
                    location = response.headers.get("Location")
                    if not location:
                        raise MediaUnavailable(f"{_shown(response.url)}: {response.status} without Location")
                    address = response.url.join(_parse(location))
                    response.close()
                else:
                    raise MediaUnavailable(f"{_shown(address)}: more than {_MOST_REDIRECTS} redirects")
            where = f"{_shown(response.url)}: {response.status}"
            signed = not _SIGNED.isdisjoint(response.url.query)
            if response.status in _GONE or (signed and response.status in (400, 401)):
                raise MediaExpired(where)
            if response.status not in ({200, 206} if headers else {200}):
                raise MediaUnavailable(where)
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise MediaUnavailable(f"{where}, compressed although identity encoding was requested")
            yield response


# A host name has at most 253 characters; parsing a longer one that isn't ASCII takes quadratic time.
_AUTHORITY: Final = re.compile(r"[^/?#]*//[^/?#]{300}")


def _parse(url: str) -> URL:
    if _AUTHORITY.match(url):
        raise MediaForbidden("the host name is too long")
    # Keep the URL byte for byte where possible: a signature may cover the exact spelling of the query.
    exact = url.isascii() and url.isprintable() and " " not in url
    try:
        return URL(url, encoded=exact)
    except ValueError:
        raise MediaForbidden("no address") from None


@contextmanager
def retryable(where: str) -> Iterator[None]:
    """Map errors of the network and the disk to MediaUnavailable.

    The text of a network error is left out, because it may contain a signed address. The system's own words
    tell a full disk from a lost connection. Timeouts are OSErrors, too.
    """
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:
        words = error.strerror if not isinstance(error, aiohttp.ClientError | ValueError) else None
        reason = f"{type(error).__name__}: {words}" if words else type(error).__name__
        raise MediaUnavailable(f"{where}: {reason}") from None


def _shown(url: URL | str) -> str:
    """Return an address for the log that doesn't lead to the file: a result may be private or held."""
    try:
        address = URL(url)
        return f"{address.origin()}/…/{address.name}"
    except ValueError:
        return "address"


def sniff(head: bytes) -> tuple[str, str]:
    """Return the content type and extension of a file from its first `SNIFF_BYTES`.

    A file of no known type is `TEXT` if it is valid UTF-8, otherwise `UNKNOWN`.
    """
    kind = filetype.guess(head)
    if kind is not None:
        return kind.mime, kind.extension
    for signature, known in _SIGNATURES:
        if head.startswith(signature):
            return known
    if b"\0" in head:
        return UNKNOWN
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The end of the sample may cut its last character in two.
        is_cut = error.start >= len(head) - 3 and len(head) >= SNIFF_BYTES
        return TEXT if is_cut else UNKNOWN
    return TEXT


def suffix_for(name: str, extension: str) -> str:
    """Return the suffix for a file of this name, which fits its detected type.

    Raises MediaUnavailable for a program, and for a text whose name promises a picture, video or sound. SVG
    files are text, so they are accepted.
    """
    promised = mimetypes.guess_type(name)[0] or ""
    is_media = promised.startswith(("image/", "video/", "audio/")) and promised != "image/svg+xml"
    if extension in _RUNNABLE or (is_media and extension == TEXT[1]):
        raise MediaUnavailable(f"a file of type {extension} instead of the expected {name!r}")
    ending = name.rpartition(".")[2].lower()
    return ending if ending in _ENDINGS.get(extension, frozenset()) else extension


def require_temporary_folder() -> None:
    """Raise StartupError if no temporary folder is writable, as on a read-only system without /tmp."""
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        raise StartupError(
            f"No folder for temporary files can be written ({error.strerror}), and results pass through one. "
            "Let the bot write to /tmp (in a container: --tmpfs /tmp), or name another in TMPDIR."
        ) from error
