"""Fetching what a run made, safely, and making it fit."""

from bot.media.address import is_public, is_public_or_private
from bot.media.fetch import Media, MediaFetcher, MediaLimits
from bot.media.names import safe_filename
from bot.media.shrink import shrink_image

__all__ = [
    "Media",
    "MediaFetcher",
    "MediaLimits",
    "is_public",
    "is_public_or_private",
    "safe_filename",
    "shrink_image",
]
