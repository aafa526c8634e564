"""deployments.toml as the operator writes it. The mistakes are in two text files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.deployments.model import describes_itself
from bot.deployments.schema import load_deployments_file
from bot.domain.errors import StartupError
from bot.domain.picture_check import Label
from tests.unit.cases import read_cases

FOLDER = Path(__file__).parent
UUID = "98244b49-9b56-46b8-83c8-334f27412095"
A = f'[deployments.a]\ndeployment_id = "{UUID}"\n'


def load_labels(path: Path) -> Any:
    return load_deployments_file(path).picture_check.labels


def load_all(path: Path) -> Any:
    return tuple(load_deployments_file(path).deployments.values())


def load(folder: Path, text: str, read: Callable[[Path], Any] = load_all) -> Any:
    file = folder / "deployments.toml"
    file.write_text(text, encoding="utf-8")
    return read(file)


def mistakes(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(StartupError) as caught:
        load(folder, text)
    return caught.value.mistakes


@pytest.mark.parametrize(("text", "sentences"), read_cases(FOLDER / "mistakes_in_file.txt"))
def test_every_mistake_in_a_file_is_told(tmp_path: Path, text: str, sentences: tuple[str, ...]) -> None:
    assert mistakes(tmp_path, f"{text}\n") == sentences


@pytest.mark.parametrize(("text", "sentences"), read_cases(FOLDER / "mistakes_in_deployment.txt"))
def test_every_mistake_in_a_deployment_is_told(tmp_path: Path, text: str, sentences: tuple[str, ...]) -> None:
    assert mistakes(tmp_path, f"{A}{text}\n") == sentences


def test_the_example_loads_and_shows_both_ways_to_describe_a_deployment() -> None:
    flux, ltx = load_all(Path("deployments.example.toml"))
    assert (flux.name, flux.default_gpu) == ("flux", "L40S")
    assert list(flux.inputs)[:2] == ["prompt", "steps"]
    assert not describes_itself(flux)
    assert ltx.group == "video"
    assert describes_itself(ltx)


def test_a_checkers_own_labels_are_mapped_beside_the_deployments(tmp_path: Path) -> None:
    (config,) = load(tmp_path, f'{A}[picture_check.labels]\nporn = "explicit"\n"very sexy" = "suggestive"\n')
    assert config.name == "a"
    found = load_labels(tmp_path / "deployments.toml")
    assert found == {"porn": Label.EXPLICIT, "very sexy": Label.SUGGESTIVE}
    assert load(tmp_path, A, load_labels) == {}


def test_every_mistake_in_the_labels_is_told(tmp_path: Path) -> None:
    text = A + '[picture_check]\nlables.a = "nudity"\nlabels = {a = "nudity", b = "harmless"}'
    assert mistakes(tmp_path, text) == (
        "picture_check.labels.b: must be one of explicit, nudity, suggestive",
        "picture_check.lables: is not a setting; did you mean 'labels'?",
    )


def test_a_choice_may_be_written_as_text_as_a_number_or_with_a_name(tmp_path: Path) -> None:
    (config,) = load(tmp_path, A + 'inputs.x.choices = ["euler", 512, 1e20, {name = "Fast", value = 4}]\n')
    pairs = [(choice.name, choice.value) for choice in config.inputs["x"].choices]
    assert pairs == [("euler", "euler"), ("512", "512"), (f"1{'0' * 20}", "1e+20"), ("Fast", "4")]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "deployments: none is described; begin with [deployments.NAME]"),
        ("a = " + "[" * 5_000, "deployments.toml can't be read as TOML: maximum recursion depth"),
        ("a = " + "9" * 5_000, "deployments.toml can't be read as TOML: Exceeds the limit"),
        (f'{A}default_gpu = "{"x" * 101}"', "deployments.a.default_gpu: "),
        (f"{A}inputs.x.max = 5\ninputs.x.default = 0x{'f' * 5_000}", "default: must be a number"),
    ],
    ids=["nothing", "brackets", "digits", "GPU", "hexadecimal default"],
)
def test_a_mistake_of_any_length_is_told_in_words(tmp_path: Path, text: str, part: str) -> None:
    (told,) = mistakes(tmp_path, text)
    assert part in told
