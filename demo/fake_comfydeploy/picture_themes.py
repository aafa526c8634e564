"""Choose a theme that fits the prompt, and tint it with the colours that the prompt names.

All functions are pure.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass, replace

Colour = tuple[int, int, int]

SHORTEST, LONGEST = 64, 2048


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme's words and colours. `sky` goes from top to bottom, the hills from `far` to `near`."""

    words: tuple[str, ...]
    sky: tuple[Colour, Colour, Colour]
    disc: Colour
    far: Colour
    near: Colour
    stars: int = 0
    water: bool = False
    trees: bool = False
    rough: float = 1.0  # how jagged the ridges are
    aurora: bool = False


THEMES = (
    Theme(
        ("dawn", "morning", "valley", "sunrise", "forest", "tree", "fox"),
        ((74, 98, 158), (240, 168, 150), (255, 226, 178)),
        (255, 244, 214),
        (190, 150, 170),
        (34, 44, 66),
        trees=True,
    ),
    Theme(
        ("night", "moon", "star", "space", "dark", "dream"),
        ((8, 12, 38), (28, 40, 92), (92, 98, 158)),
        (246, 244, 228),
        (58, 70, 122),
        (8, 10, 26),
        stars=260,
        rough=1.8,
    ),
    Theme(
        ("sea", "ocean", "beach", "lake", "water", "sunset", "ship", "island"),
        ((54, 38, 98), (222, 92, 98), (255, 196, 112)),
        (255, 240, 190),
        (140, 74, 108),
        (44, 28, 62),
        water=True,
    ),
    Theme(
        ("desert", "dune", "sand", "mars", "canyon", "castle"),
        ((88, 148, 196), (222, 196, 162), (250, 224, 170)),
        (255, 250, 226),
        (226, 168, 112),
        (122, 58, 42),
        rough=0.5,
    ),
    Theme(
        ("aurora", "winter", "snow", "ice", "north", "cold", "wolf"),
        ((6, 18, 42), (16, 62, 88), (70, 128, 138)),
        (232, 246, 250),
        (86, 122, 148),
        (10, 22, 38),
        stars=180,
        trees=True,
        rough=1.4,
        aurora=True,
    ),
    Theme(
        ("spring", "summer", "meadow", "field", "flower", "garden", "hill", "cat"),
        ((70, 142, 214), (158, 206, 234), (240, 244, 220)),
        (255, 252, 224),
        (156, 190, 178),
        (38, 94, 60),
        rough=0.6,
        trees=True,
    ),
)
COLOUR_WORDS: dict[str, Colour] = {
    "red": (206, 44, 50),
    "orange": (240, 128, 36),
    "yellow": (246, 208, 60),
    "gold": (222, 174, 62),
    "green": (58, 160, 82),
    "teal": (28, 148, 150),
    "blue": (48, 98, 214),
    "violet": (124, 72, 200),
    "purple": (124, 62, 178),
    "pink": (240, 128, 176),
    "white": (246, 246, 250),
    "black": (16, 16, 24),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that determines a picture, except a start image. Equal scenes give equal bytes."""

    prompt: str
    seed: int = 0
    width: int = 768
    height: int = 768
    style: str = "photo"
    guidance: float = 7.5

    def __post_init__(self) -> None:
        if not all(SHORTEST <= side <= LONGEST for side in (self.width, self.height)):
            raise ValueError("the picture's size is out of range")

    def random(self, purpose: str = "") -> random.Random:
        return random.Random(f"{self.prompt}\n{self.seed}\n{purpose}")


def blend(one: Colour, other: Colour, share: float) -> Colour:
    """Mix two colours: `share` 0 is the first, 1 the second."""
    mixed = [round(a + (b - a) * share) for a, b in zip(one, other, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def choose_theme(scene: Scene) -> Theme:
    words = re.findall(r"[a-z]+", scene.prompt.lower())
    digest = hashlib.sha256(scene.prompt.encode()).digest()
    hits = [sum(w.rstrip("s") in theme.words or w in theme.words for w in words) for theme in THEMES]
    best = max(hits)
    theme = THEMES[hits.index(best) if best else digest[0] % len(THEMES)]
    for word in words:
        if colour := COLOUR_WORDS.get(word):
            theme = _tinted(theme, colour)
    return theme


def _tinted(theme: Theme, colour: Colour) -> Theme:
    top, middle, low = theme.sky
    return replace(
        theme,
        sky=(blend(top, colour, 0.35), blend(middle, colour, 0.45), blend(low, colour, 0.2)),
        far=blend(theme.far, colour, 0.3),
    )
