"""Inputs that are slow to handle: texts, word rules, webhooks and descriptions of maximum size."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from uuid import uuid4

from bot.words.rules import WordRule

MIB = 1024 * 1024
REPLY = 4 * MIB
# Texts that are slow to normalize, match, escape or parse.
PIECES = (
    *'!1[`@<=,"\\\t\n\u200b\u0301é\ufdfa\u0430\ufb01\U0001d51e\ud55c\ud800',
    *("a ", ". ", "](", "{prompt}", "||", "*_", "a=1,", "1.", "e1", "x!"),
)
KEYWORDS = tuple("a" * length for length in range(1, 60)) + tuple(f"wörd{n}" + "é" * 50 for n in range(400))
# With these as keywords and allowed words, 57 matches start at each letter of the text, and none is a hit.
NESTED = tuple(f"*{'a' * length}*" for length in range(1, 58))
NESTED_TEXT = "a" * 6000
# The pattern matches each letter of the text, which takes RE2 20 ms. The allowed words cover each match.
SLOW_PATTERN = "[ab](?:[ab]*a[ab]{900}c)?"
SLOW_ALLOWED = ("*a*", "*b*")
SLOW_TEXT = "".join(random.Random(3).choices("ab", k=6000))
PATTERNS = (r"(?i)\pL{250}", r"a(?:[ab]*a[ab]{900}c)?", r"(?:a?){60}", r"(?i)(?:\pL\pN\pS){80}", r"[^a]{200}")
_ALLOWED = ("*a*", *KEYWORDS[:99])
RULES = (
    WordRule(name="nested", keywords=NESTED, allowed=NESTED),
    WordRule(name="slow", patterns=(SLOW_PATTERN,), allowed=SLOW_ALLOWED),
    *[WordRule(name="hostile", keywords=KEYWORDS, patterns=PATTERNS * 2, allowed=_ALLOWED)] * 4,
)


def long_texts(length: int) -> Iterator[str]:
    """Yield texts of a length, each a repeated piece or a seeded mixture of pieces."""
    for piece in PIECES:
        yield (piece * length)[:length]
    randomly = random.Random(1)
    for _ in range(20):
        yield "".join(randomly.choices(PIECES, k=length))[:length]


def webhook_bodies() -> Iterator[bytes]:
    """Yield webhooks of 1 MiB: deeply nested, or with many values, huge numbers, many texts or many files."""
    head = f'{{"run_id":"{uuid4()}","status":"running","progress":0.5,'
    for unit in ("[],", "{},", "1,", '" ",', '"a",', '{"a":1},', "[" * 99 + "]" * 99 + ",", '{"url":"x"},'):
        items = unit * ((MIB - 500) // len(unit))
        yield f'{head}"outputs":[{items}0]}}'.encode()
        yield f'{head}"outputs":[{{"data":{{"{"k" * 150}":[{items}0]}}}}]}}'.encode()
    yield f'{head}"outputs":{"[" * (MIB - 500)}'.encode()
    yield f'{head}"queue_position":{"1" * (MIB - 500)}}}'.encode()
    keys = ",".join(f'"{number:x}":0' for number in range(80_000))
    yield f'{head}"other":{{{keys}}}}}'.encode()
    files = [{"url": f"https://files.example/{number}", "filename": "\u200b" * 600} for number in range(450)]
    yield _webhook(head, "images", files)
    letters = ("é", "[", "`", "a\n", "* ")
    yield _webhook(head, "text", [f"{n} {letters[n % 5] * 2_500}" for n in range(200)])


def _webhook(head: str, kind: str, items: object) -> bytes:
    return f'{head}"outputs":{json.dumps([{"data": {kind: items}}], ensure_ascii=False)}}}'.encode()


def each_kind_of_input() -> bytes:
    """Return the description of a deployment that has an input of each kind, one with 200 choices."""
    nodes = [
        _node("prompt"),
        _node("size", "Enum", enum_options=[str(64 * size) for size in range(1, 201)]),
        _node("strength", "NumberSlider", min_value=0, max_value=1),
        _node("tiling", "Boolean"),
    ]
    return json.dumps({"id": "x", "input_types": nodes}).encode()


def descriptions() -> Iterator[bytes]:
    """Yield descriptions of deployments of the largest size that the bot accepts."""
    long = "\ufdfa" * 100_000
    for nodes in (
        [_node(f"{'x' * 40}{number}") for number in range(35_000)],
        [_node(long + str(number), display_name=long, description=long) for number in range(2)],
        [_node(f"{n}", "Enum", enum_options=["o" * 99 + str(m) for m in range(900)]) for n in range(42)],
        [_node("a", "Enum", enum_options="a," * 200_000)],
        [_node("a", "Enum", enum_options=json.dumps(["x"] * 90_000))],
        [_node(f"{number}", default_value=long) for number in range(6)],
    ):
        yield json.dumps({"id": "x", "input_types": nodes}).encode()
    yield b'{"id":"x","input_types":[' + b"[]," * (REPLY // 4) + b"0]}"


def _node(key: str, kind: str = "Text", **more: object) -> dict[str, object]:
    return {"input_id": key, "class_type": f"ComfyUIDeployExternal{kind}", **more}
