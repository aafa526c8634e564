"""Let a page show a picture by its link, as Discord does.

simcord 3.2 shows a file only in the message that it was uploaded with. The bot also shows pictures by link,
for example after *Use as input* or when one picture of a batch is opened. simcord has no option for this, so
this module extends the page's look-up; simcord still checks who may see the message that shows the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from simcord.preview._pages import _Page


@contextmanager
def shown_by_link() -> Iterator[None]:
    look_up = _Page._resolve_blob

    def look_up_linked(self: _Page, record: Any, metadata: Mapping[str, Any], source: Any) -> None:
        linked = source is not None and source[0] == "message"
        look_up(self, record, metadata, ("attachment",) if linked else source)

    _Page._resolve_blob = look_up_linked  # type: ignore[method-assign]  # the wrapped look-up, see above
    try:
        yield
    finally:
        _Page._resolve_blob = look_up  # type: ignore[method-assign]  # simcord's own again
