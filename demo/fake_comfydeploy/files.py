"""Output and uploaded files in memory. A private bucket has signed URLs that expire, as S3 does."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

STAMP = "%Y%m%dT%H%M%SZ"
HOUR = 3600


@dataclass(frozen=True, slots=True)
class StoredFile:
    content: bytes
    content_type: str


class Bucket:
    """Stores files, and drops the oldest ones beyond `limit` bytes in total.

    Paths aren't percent-encoded: `outputs/a b.png`.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        private: bool = False,
        secret: bytes = b"stand-in",
        limit: int = 256 * 1024**2,
    ) -> None:
        self.private = private
        self.base = ""
        self._now = now
        self._secret = secret
        self._limit = limit
        self._size = 0
        self._files: dict[str, StoredFile] = {}

    def put(self, path: str, content: bytes, content_type: str) -> None:
        self._forget(path)
        self._files[path] = StoredFile(content, content_type)
        self._size += len(content)
        while self._size > self._limit and len(self._files) > 1:
            self._forget(next(iter(self._files)))

    def get(self, path: str) -> StoredFile | None:
        return self._files.get(path)

    def plain_link(self, path: str) -> str:
        return f"{self.base}/files/{quote(path)}"

    def link(self, path: str) -> str:
        """Return the URL of a file, signed for an hour if the bucket is private."""
        if not self.private:
            return self.plain_link(path)
        stamp = self._now().astimezone(UTC).strftime(STAMP)
        query = (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIASTANDIN%2Fus-east-2%2Fs3"
            f"&X-Amz-Date={stamp}&X-Amz-Expires={HOUR}&X-Amz-SignedHeaders=host"
        )
        return f"{self.plain_link(path)}?{query}&X-Amz-Signature={self._signature(path, stamp, HOUR)}"

    def refusal(self, path: str, query: dict[str, str]) -> str | None:
        """Return S3's error message if the bucket is private and `query` isn't validly signed, else None."""
        if not self.private:
            return None
        try:
            signed = datetime.strptime(query["X-Amz-Date"], STAMP).replace(tzinfo=UTC)
            seconds = int(query["X-Amz-Expires"])
        except (KeyError, ValueError):
            return "Access Denied"
        expected = self._signature(path, query["X-Amz-Date"], seconds)
        if not hmac.compare_digest(expected, query.get("X-Amz-Signature", "")):
            return "Access Denied"
        expired = self._now() > signed + timedelta(seconds=seconds)
        return "Request has expired" if expired else None

    def _signature(self, path: str, stamp: str, seconds: int) -> str:
        message = f"{path}\n{stamp}\n{seconds}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    def _forget(self, path: str) -> None:
        if old := self._files.pop(path, None):
            self._size -= len(old.content)
