"""Accept clicks on a page that is out of date: by half a second, or for as long as a select was open.

simcord 3.2 refuses every action that was taken before the page fetched the newest state. During a run that
state changes about once a second, so Cancel would fail at random. simcord has no option for this, so this
module wraps the preview's handler of actions. If the button that was pressed is still the same, the action's
revision is replaced with the newest one. Otherwise simcord refuses the action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simcord.preview import Preview

from demo.world import World

Labels = Mapping[str, str]
# A page fetches the state twice a second, but keeps its state while a select is open (look/page.js).
_KEPT = 1000
# These actions identify their own target: a command, or the handle of an open form.
_UNBOUND = ("run_command", "autocomplete_command", "send_message", "modal_submit", "browse_candidates")


class Clicks:
    """Wraps a preview's handler of actions, and remembers the controls of each page's recent states."""

    def __init__(self, preview: Preview, world: World) -> None:
        self._preview = preview
        self._world = world
        self._shown: dict[tuple[str, int], Labels] = {}
        self._admit = preview._action
        preview._action = self._action  # type: ignore[method-assign]  # the wrapped handler, see above

    def note(self) -> None:
        """Record the published controls. Call this before and after each publication."""
        for page in self._preview._pages.values():
            if (page.id, page.revision) not in self._shown:
                labels = dict(_labels(page.snapshot))
                before = self._shown.get((page.id, page.revision - 1))
                self._shown[page.id, page.revision] = before if before == labels else labels
        while len(self._shown) > _KEPT:
            del self._shown[next(iter(self._shown))]

    async def _action(self, context_id: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._world.turn:
            self.note()
            await self._world.catch_up()
            self._world.env._preview = self._preview  # the page that sent the action
            self._preview._advance_presentation_time()  # otherwise "just now" reads "in 8 seconds"
            page = self._preview._pages.get(context_id or "")
            if page is not None and self._unchanged(page.id, page.revision, body):
                body = {**body, "published_revision": page.revision}
            result = await self._admit(context_id, body)
            self.note()
            return result

    def _unchanged(self, page_id: str, revision: int, body: Mapping[str, Any]) -> bool:
        if body.get("kind") not in ("click", "select"):
            return body.get("kind") in _UNBOUND
        pressed = self._shown.get((page_id, body.get("published_revision", 0)), {})
        # A key is only the number of the component: Cancel and the "Try again" in its place share a key.
        label = pressed.get(str(body.get("control_key")))
        return label is not None and label == self._shown[page_id, revision].get(str(body["control_key"]))


def _labels(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the key and label of each button and select in a snapshot."""
    if isinstance(value, list):
        for item in value:
            yield from _labels(item)
    elif isinstance(value, dict):
        if "control_key" in value:
            yield value["control_key"], str(value.get("label"))
        for item in value.values():
            yield from _labels(item)
