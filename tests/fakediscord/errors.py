"""Discord's error responses, by code.

See https://discord.com/developers/docs/topics/opcodes-and-status-codes#json.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
# The least and most characters or items of each field.
Sizes = dict[str, tuple[int, int]]

_KNOWN: dict[int, tuple[int, str]] = {
    0: (401, "401: Unauthorized"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10066: (404, "Unknown application command permissions"),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    40094: (400, "This interaction has reached the maximum number of follow-up messages."),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50013: (403, "Missing Permissions"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50083: (400, "Thread is archived"),
    160005: (400, "This thread is locked"),
}


class ApiError(Exception):
    """An error response with one of Discord's codes. `errors` is the tree of fields of a 50035."""

    def __init__(self, code: int, errors: Json | None = None) -> None:
        self.status, self.message = _KNOWN[code]
        super().__init__(f"{code} {self.message} {errors or ''}")
        self.code = code
        self.errors = errors

    def body(self) -> Json:
        body: Json = {"message": self.message, "code": self.code}
        if self.errors is not None:
            body["errors"] = self.errors
        return body


def invalid(field: str, message: str) -> ApiError:
    """Return a 50035 about one field; dots in `field` mean nesting, as in `options.0.name`."""
    tree: Json = {"_errors": [{"code": "INVALID", "message": message}]}
    for part in reversed(field.split(".")):
        tree = {part: tree}
    return ApiError(50035, tree)


def check_sizes(place: str, item: Json, sizes: Sizes) -> None:
    """Check how many characters or items the fields have."""
    for field, (least, most) in sizes.items():
        if not least <= len(item.get(field) or "") <= most:
            raise invalid(f"{place}.{field}", f"Must be between {least} and {most} in length.")
