"""The lines of `python -m bot export`."""

from __future__ import annotations

import json

import pytest

from bot.domain.runs import Output
from bot.ops.export import line
from tests.unit.factories import made_run


@pytest.mark.parametrize(
    ("url", "exported"),
    [
        ("https://files.example/a.png?sig=secret#part", "https://files.example/a.png"),
        ("https://minio:s3cret@files.example:9000/a.png", "https://files.example:9000/a.png"),
        ("https://a@b:c@files.example/a.png", "https://files.example/a.png"),
    ],
)
def test_links_are_exported_without_what_grants_access(url: str, exported: str) -> None:
    run = made_run(inputs={"image": url}, outputs=(Output("images", url=url),))
    told = json.loads(line(run))
    assert (told["inputs"]["image"], told["outputs"][0]["url"]) == (exported, exported)
