"""Read HTTP requests with a body of JSON, or of multipart with `payload_json` and `files[n]`."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from tests.fakediscord.errors import ApiError, Json
from tests.fakediscord.world import Attachment


@dataclass(frozen=True, slots=True)
class Upload:
    filename: str
    size: int
    sha256: str
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `json` is the parsed body: an object, or a list for a bulk overwrite."""

    route: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    json: object = None
    files: dict[int, Upload] = field(default_factory=dict)

    @property
    def body(self) -> Json:
        if self.json is None:
            return {}
        if not isinstance(self.json, dict):
            raise ApiError(50035)
        return self.json

    def id(self, name: str) -> int:
        value = self.params[name]
        if not value.isdigit():
            raise ApiError(50035, {name: {"_errors": [{"code": "NUMBER_TYPE_COERCE", "message": value}]}})
        return int(value)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: object = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route. `auth` requires the bot's token; routes of interactions have a token in their path instead."""

    method: str
    path: str
    handler: Callable[[Call], Reply]
    auth: bool = True

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"


class FileStore:
    """Reads uploads, and keeps only the bytes of the first ones, to limit the memory of long runs."""

    _left = 200

    async def read(self, part: BodyPartReader) -> Upload:
        digest, size = hashlib.sha256(), 0
        kept: bytearray | None = bytearray() if self._left > 0 else None
        while chunk := await part.read_chunk(1 << 16):
            digest.update(chunk)
            size += len(chunk)
            if kept is not None:
                kept += chunk
        data = None if kept is None else bytes(kept)
        self._left -= 1
        return Upload(part.filename or "unknown", size, digest.hexdigest(), data)


async def read_call(request: web.Request, route: str, store: FileStore) -> Call:
    text = ""
    files: dict[int, Upload] = {}
    if request.content_type.startswith("multipart/"):
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name == "payload_json":
                text = await part.text()
            elif match := re.fullmatch(r"files\[(\d+)\]", part.name or ""):
                files[int(match[1])] = await store.read(part)
    elif request.can_read_body:
        text = await request.text()
    return Call(route, dict(request.match_info), dict(request.query), _parse(text), files)


def _parse(text: str) -> object:
    try:
        return json.loads(text) if text else None
    except ValueError:
        raise ApiError(50109) from None


def as_attachment(upload: Upload, attachment_id: int, described: Json) -> Attachment:
    """Return the attachment; `described` is the file's entry in the body's `attachments`, if any."""
    filename = re.sub(r"[^\w.\-]", "_", str(described.get("filename") or upload.filename))
    return Attachment(
        id=attachment_id,
        filename=filename,
        content_type=mimetypes.guess_type(filename)[0] or "application/octet-stream",
        size=upload.size,
        sha256=upload.sha256,
        data=upload.data,
        description=described.get("description"),
        spoiler=filename.startswith("SPOILER_"),
    )
