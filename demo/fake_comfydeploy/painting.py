"""Paint landscapes on the CPU. The same scene gives the same bytes. Painting is slow; call it in a thread."""

from __future__ import annotations

import io
import math
import random

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from demo.fake_comfydeploy.picture_themes import Colour, Scene, Theme, blend, choose_theme

LABEL = "ComfyDeploy stand-in"
_MARK = "Comment"  # the PNG text chunk of pictures with the label
RIDGES = 5
GLOW_EDGE = 78  # the inverted gradient's value at the edges; the glow ends there, not in the corners
SCALE = 2  # ridges are drawn this much larger, then scaled down for smooth edges


def paint_png(scene: Scene, start_image: bytes | None = None) -> bytes:
    picture = paint(scene, start_image)
    label(picture)
    return as_png(picture, made_from=f"{scene.prompt} (seed {scene.seed})")


def as_png(picture: Image.Image, *, labelled: bool = True, made_from: str = "") -> bytes:
    """Return the picture as a PNG. A text chunk tells whether it has the label. Another says what the picture
    was made from, as ComfyUI writes it.
    """
    out, chunks = io.BytesIO(), PngInfo()
    if made_from:
        chunks.add_itxt("prompt", made_from)
    if labelled:
        chunks.add_text(_MARK, LABEL)
    picture.save(out, "PNG", compress_level=4, pnginfo=chunks)
    return out.getvalue()


def is_labelled(picture: Image.Image) -> bool:
    """Return whether the picture's file has the text chunk of the label."""
    return picture.info.get(_MARK) == LABEL


def paint(scene: Scene, start_image: bytes | None = None) -> Image.Image:
    """Return the picture without its label. A start image shines through, as at a low denoising strength."""
    theme = choose_theme(scene)
    picture = _sky(scene, theme)
    _clouds(picture, scene, theme)
    _land(picture, scene, theme)
    if start_image is not None:
        picture = _over_start_image(picture, start_image)
    return _styled(picture, scene)


def label(picture: Image.Image) -> None:
    """Draw a small label in the lower right corner, so that nobody thinks that a model made the picture."""
    at, font = _place(picture)
    draw = ImageDraw.Draw(picture, "RGBA")
    draw.text((at[0] + 1, at[1] + 1), LABEL, (0, 0, 0, 140), font, anchor="rs")
    draw.text(at, LABEL, (255, 255, 255, 190), font, anchor="rs")


def cover_label(picture: Image.Image) -> None:
    """Cover the label with a reflection of the part above it."""
    at, font = _place(picture)
    left, top, _, _ = ImageDraw.Draw(picture).textbbox(at, LABEL, font, anchor="rs")
    room = (picture.height - int(top)) // 2  # an enlarged label may be a little larger than a new one
    left, top = max(int(left) - room, 0), max(int(top) - room, 0)
    height = min(picture.height - top, top)
    above = picture.crop((left, top - height, picture.width, top))
    picture.paste(ImageOps.flip(above), (left, top))


def _place(picture: Image.Image) -> tuple[tuple[float, float], ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """Return the position of the label's lower right corner, and its font."""
    size = max(10, min(picture.size) // 48)
    return (picture.width - size * 0.7, picture.height - size * 0.6), ImageFont.load_default(size)


def _gradient(size: tuple[int, int], top: Colour, low: Colour) -> Image.Image:
    mask = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, low), Image.new("RGB", size, top), mask)


def _sky(scene: Scene, theme: Theme) -> Image.Image:
    width, height = scene.width, scene.height
    split = int(height * 0.42)
    sky = Image.new("RGB", (width, height), theme.sky[2])
    sky.paste(_gradient((width, split), theme.sky[0], theme.sky[1]))
    sky.paste(_gradient((width, height - split), theme.sky[1], theme.sky[2]), (0, split))
    rng = scene.random("sky")
    _stars(sky, theme, rng)
    if theme.aurora:
        sky = _aurora(sky, rng)
    return _disc(sky, theme, rng)


def _stars(sky: Image.Image, theme: Theme, rng: random.Random) -> None:
    draw = ImageDraw.Draw(sky, "RGBA")
    for _ in range(theme.stars):
        x, y = rng.random() * sky.width, rng.random() ** 1.5 * sky.height * 0.7
        r = rng.choice((0.5, 0.5, 0.8, 1.4)) * sky.height / 768
        draw.ellipse((x - r, y - r, x + r, y + r), (255, 252, 240, rng.randint(90, 255)))


def _aurora(sky: Image.Image, rng: random.Random) -> Image.Image:
    small = Image.new("RGB", (128, 128))
    draw = ImageDraw.Draw(small)
    for colour in ((40, 220, 150), (90, 110, 230), (30, 190, 170)):
        phase, base = rng.random() * 6.3, rng.uniform(28, 60)
        for x in range(128):
            top = base + 12 * math.sin(x / 14 + phase) + 5 * math.sin(x / 5 + phase * 2)
            draw.line((x, top - rng.uniform(14, 34), x, top), blend((0, 0, 0), colour, rng.uniform(0.2, 0.6)))
    glow = small.filter(ImageFilter.GaussianBlur(2.5)).resize(sky.size, Image.Resampling.BICUBIC)
    return ImageChops.screen(sky, glow)


def _disc(sky: Image.Image, theme: Theme, rng: random.Random) -> Image.Image:
    """Draw the sun or moon with its glow."""
    width, height = sky.size
    radius = int(min(width, height) * rng.uniform(0.05, 0.09))
    x, y = int(width * rng.uniform(0.2, 0.8)), int(height * rng.uniform(0.22, 0.5))
    reach = radius * 9
    shine = ImageOps.invert(Image.radial_gradient("L")).resize((reach * 2, reach * 2))
    shine = shine.point(
        [round(204 * max(0.0, (v - GLOW_EDGE) / (255 - GLOW_EDGE)) ** 1.9) for v in range(256)]
    )
    glow = Image.new("L", sky.size)
    glow.paste(shine, (x - reach, y - reach))
    sky = Image.composite(Image.new("RGB", sky.size, theme.disc), sky, glow)
    big = Image.new("L", (radius * 8, radius * 8))
    ImageDraw.Draw(big).ellipse((4, 4, radius * 8 - 4, radius * 8 - 4), 255)
    mask = big.resize((radius * 2, radius * 2), Image.Resampling.LANCZOS)
    sky.paste(theme.disc, (x - radius, y - radius), mask)
    return sky


def _clouds(sky: Image.Image, scene: Scene, theme: Theme) -> None:
    rng = scene.random("clouds")
    small = Image.new("L", (192, 192))
    draw = ImageDraw.Draw(small)
    for _ in range(rng.randint(3, 7)):
        x, y, w = rng.uniform(-20, 190), rng.uniform(12, 92), rng.uniform(18, 60)
        for _ in range(6):
            dx, dy = rng.uniform(-w, w) * 0.6, rng.uniform(-2.5, 2.5)
            draw.ellipse((x + dx - w / 2, y + dy - 2, x + dx + w / 2, y + dy + 2), rng.randint(40, 120))
    mask = small.filter(ImageFilter.GaussianBlur(3)).resize(sky.size, Image.Resampling.BICUBIC)
    sky.paste(blend(theme.sky[2], theme.disc, 0.6), (0, 0), mask)


def _land(picture: Image.Image, scene: Scene, theme: Theme) -> None:
    horizon = picture.height * (0.62 if theme.water else 0.56)
    if theme.water:
        _ridge(picture, scene, theme, (0, horizon - picture.height * 0.02))
        _water(picture, int(horizon), scene)
        return
    step = (picture.height * 0.94 - horizon) / (RIDGES - 1)
    for at in range(RIDGES):
        _ridge(picture, scene, theme, (at, horizon + step * at))


def _ridge(picture: Image.Image, scene: Scene, theme: Theme, place: tuple[int, float]) -> None:
    at, base = place
    width, height = picture.size
    outline = _outline(picture.size, theme, base, scene.random(f"ridge {at}"))
    mask = Image.new("L", (width * SCALE, height * SCALE))
    draw = ImageDraw.Draw(mask)
    scaled = [(x * SCALE, y * SCALE) for x, y in outline]
    draw.polygon([*scaled, (width * SCALE, height * SCALE), (0, height * SCALE)], 255)
    if theme.trees and at >= 2:
        _trees(draw, scaled, at, scene.random(f"trees {at}"))
    colour = blend(theme.far, theme.near, at / (RIDGES - 1))
    mist = blend(colour, theme.sky[2], 0.45 * (1 - at / RIDGES))
    top = max(0, int(base - height * 0.2))
    fill = Image.new("RGB", picture.size, mist)
    fill.paste(_gradient((width, height - top), colour, mist), (0, top))
    picture.paste(fill, (0, 0), mask.reduce(SCALE))


def _outline(
    size: tuple[int, int], theme: Theme, base: float, rng: random.Random
) -> list[tuple[float, float]]:
    width, height = size
    waves = [
        (
            height * 0.05 * theme.rough**0.5 / (n**1.15) * rng.uniform(0.5, 1.3),
            n * rng.uniform(0.7, 1.4),
            rng.random() * 6.3,
        )
        for n in (1, 2, 4, 7, 13, 29)
    ]
    return [
        (x, base - sum(a * theme.rough ** (f / 20) * math.sin(x / width * 6.3 * f + p) for a, f, p in waves))
        for x in range(0, width + 4, 4)
    ]


def _trees(
    draw: ImageDraw.ImageDraw, outline: list[tuple[float, float]], at: int, rng: random.Random
) -> None:
    size = outline[-1][0] / 768
    for x, y in rng.sample(outline, k=min(len(outline), 16 + at * 9)):
        tall = rng.uniform(9, 17) * at * size
        for layer in (0.0, 0.3, 0.55):
            half = tall * (0.24 - layer * 0.25)
            low = y + 4 * size - tall * layer
            draw.polygon([(x - half, low), (x + half, low), (x, low - tall * 0.5)], 255)


def _water(picture: Image.Image, horizon: int, scene: Scene) -> None:
    """Mirror the sky in the water, darker, with ripples that widen towards the lower edge."""
    width, height = picture.size
    mirrored = ImageOps.flip(picture.crop((0, max(0, 2 * horizon - height), width, horizon)))
    mirrored = ImageEnhance.Brightness(mirrored.resize((width, height - horizon))).enhance(0.72)
    picture.paste(mirrored.filter(ImageFilter.GaussianBlur(width / 260)), (0, horizon))
    draw, rng = ImageDraw.Draw(picture, "RGBA"), scene.random("ripples")
    for _ in range(420):
        near = rng.random() ** 1.6
        x, y = rng.random() * width, horizon + near * (height - horizon)
        long, thick = width * (0.01 + 0.07 * near) * rng.random(), max(1, int(height / 320 * near))
        light = (255, 236, 210, 46) if rng.random() < 0.5 else (20, 10, 40, 40)
        draw.line((x - long, y, x + long, y), light, thick)


def _over_start_image(picture: Image.Image, start_image: bytes) -> Image.Image:
    start = Image.open(io.BytesIO(start_image)).convert("RGB")
    start = ImageOps.fit(start, picture.size)
    return Image.blend(picture, start, 0.55)


def _styled(picture: Image.Image, scene: Scene) -> Image.Image:
    match scene.style:
        case "watercolour":
            soft = picture.filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.SMOOTH_MORE)
            picture = Image.blend(soft, Image.new("RGB", soft.size, (252, 246, 234)), 0.22)
        case "oil painting":
            picture = ImageEnhance.Color(picture.filter(ImageFilter.MedianFilter(5))).enhance(1.35)
            picture = picture.filter(ImageFilter.EDGE_ENHANCE)
        case "ink":
            grey = ImageOps.autocontrast(ImageOps.grayscale(picture), cutoff=2)
            picture = ImageOps.colorize(
                ImageEnhance.Contrast(grey).enhance(1.3), (24, 26, 40), (246, 240, 226)
            )
        case "neon":
            picture = ImageEnhance.Color(ImageEnhance.Contrast(picture).enhance(1.25)).enhance(2.1)
        case "pastel":
            picture = Image.blend(picture, Image.new("RGB", picture.size, (250, 232, 240)), 0.4)
    strength = 0.9 + max(0.0, min(scene.guidance, 30.0)) / 75
    return ImageEnhance.Contrast(picture).enhance(strength)
