from __future__ import annotations

from pathlib import Path

import pytest

from bot.comfydeploy.input_classes import input_class
from bot.deployments.compile.deployment import describes_itself
from bot.deployments.config_file import load_deployments_file, single_deployment
from bot.domain.errors import StartupError

UUID = "98244b49-9b56-46b8-83c8-334f27412095"
OTHER = "3d211e35-98da-4fb7-acf6-438b8846a9b9"
A = f'[deployments.a]\ndeployment_id = "{UUID}"\n'


def mistakes(tmp_path: Path, text: str) -> tuple[str, ...]:
    file = tmp_path / "deployments.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StartupError) as caught:
        load_deployments_file(file, input_class)
    return caught.value.mistakes


def test_the_example_loads_and_shows_both_ways_to_describe_a_deployment() -> None:
    flux, ltx = load_deployments_file(Path("deployments.example.toml"), input_class)
    assert (flux.name, flux.default_gpu) == ("flux", "L40S")
    assert list(flux.inputs)[:2] == ["prompt", "steps"]
    assert not describes_itself(flux)
    assert ltx.group == "video"
    assert describes_itself(ltx)


def test_a_choice_may_be_written_as_text_as_a_number_or_with_a_name(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    file.write_text(A + 'inputs.x.choices = ["euler", 512, {name = "Fast", value = 4}]\n')
    (config,) = load_deployments_file(file, input_class)
    pairs = [(choice.name, choice.value) for choice in config.inputs["x"].choices]
    assert pairs == [("euler", "euler"), ("512", "512"), ("Fast", "4")]


def test_a_mistake_in_a_choice_says_in_which(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        A + 'inputs.x.choices = ["euler", {name = "Fast"}, {nam = "Slow", value = 1}, true, ""]\n',
    )
    place = "deployments.toml: deployment 'a', input 'x', choice"
    assert set(told) == {
        f"{place} 2: 'value' is missing",
        f"{place} 3: 'name' is missing",
        f"{place} 3: unknown setting 'nam'; did you mean 'name'?",
        f"{place} 4: must be text, a number, or {{name = …, value = …}}",
        f"{place} 5: 'name' must not be empty",
    }


def test_what_does_not_go_together_is_told_beside_what_is_wrong_by_itself(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        """
        [deployments.flux]
        deployment_id = "flux"
        title = 5
        default_gpu = "H100"
        gpus = ["T4", "T4"]
        inputs.a = {prompt = true, kind = "picture"}
        inputs.b = {prompt = true, min = 5, max = 3, hiden = true}
        inputs.c = 5
        """,
    )
    place = "deployments.toml: deployment 'flux'"
    assert f"{place}: default_gpu 'H100' is not one of its gpus" in told
    assert f"{place}: a GPU appears twice in 'gpus'" in told
    assert f"{place}, input 'b': maximum 3 is below minimum 5" in told
    assert len(told) == len(set(told)) == 8


def test_every_mistake_is_told_at_once_with_deployment_and_input(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        f"""
        [deployments.flux]
        deployment_id = "{UUID}"
        default_gpu = "H100"
        gpus = ["T4"]
        titel = "FLUX"
        [deployments.flux.inputs.steps]
        min = 20
        max = 10
        [deployments.flux.inputs.cfg]
        hiden = true
        kind = "number"
        [deployments.flux.inputs.sampler]
        choices = ["euler", "euler"]
        default = "ddim"
        [deployments.ltx]
        title = "LTX"
        [deployments.ltx.inputs.prompt]
        fixed = "a"
        hidden = true
        """,
    )
    expected = [
        "deployments.toml: deployment 'flux': unknown setting 'titel'; did you mean 'title'?",
        "deployments.toml: deployment 'flux': default_gpu 'H100' is not one of its gpus",
        "deployments.toml: deployment 'flux', input 'steps': maximum 10 is below minimum 20",
        "deployments.toml: deployment 'flux', input 'cfg': unknown setting 'hiden'; did you mean 'hidden'?",
        "deployments.toml: deployment 'flux', input 'sampler': choice 'euler' appears twice",
        "deployments.toml: deployment 'flux', input 'sampler': default 'ddim' is not one of the choices",
        "deployments.toml: deployment 'ltx': 'deployment_id' is missing",
        "deployments.toml: deployment 'ltx', input 'prompt': 'fixed' and 'hidden' exclude each other: "
        "a fixed input is never offered",
    ]
    assert [sentence for sentence in expected if sentence not in told] == []
    assert any("input 'cfg': 'kind' must be one of 'text', 'integer'" in sentence for sentence in told)
    assert len(told) == len(set(told)) == len(expected) + 1


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[deployments.a\n", "line 1"),
        ("a = " + "[" * 5_000, "deployments.toml can't be read as TOML: its brackets are nested too deep"),
        ("a = " + "9" * 5_000, "deployments.toml can't be read as TOML: a number in it has too many digits"),
        ("[deployments.a]\ndeployment_id" + ".a" * 5_000 + " = 1", "'deployment_id' must be a UUID"),
        ("[deployments.a]\ndeployment_id = 0x" + "f" * 5_000, "'deployment_id' must be a UUID"),
        ("", "no deployment is described"),
        ('[deployment.a]\ndeployment_id = "x"', "unknown setting 'deployment'"),
        ("deployments = 3", "no deployment is described"),
        ("[deployments]\na = 3", "'a' must be a table"),
        ('[deployments.a]\ndeployment_id = "x"', "'deployment_id' must be a UUID"),
        (A + "inputs = 3", "'inputs' must be a table"),
        (A + "inputs.x = 3", "input 'x': must be a table"),
        (A + "inputs.x.default = nan", "'default' must be a finite"),
        (A + "inputs.x.fixed = {a = 1}", "'fixed' must be text"),
        (A + 'inputs.x.min = "a"', "'min' must be a number"),
        (A + 'age_restricted = "x"', "must be true or false"),
        (A + 'gpus = ["T4"]\ndefault_gpu = "L4"', "not one of its"),
        (A + A.replace("s.a", "s.b"), "same deploy"),
    ],
)
def test_a_mistake_is_told_in_words(tmp_path: Path, text: str, part: str) -> None:
    told = mistakes(tmp_path, text)
    assert len(told) <= 2
    assert any(part in sentence for sentence in told)
    assert not any("pydantic" in sentence or "Input should" in sentence for sentence in told)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="can't be read"):
        load_deployments_file(tmp_path / "none.toml", input_class)


def test_a_file_that_is_not_text_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StartupError, match="not UTF-8"):
        load_deployments_file(file, input_class)


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("A b!", "such as 'a_b', not 'A b!'"),
        ("Flux", "such as 'flux', not 'Flux'"),
        ("", "not ''"),
        ("x" * 33, f"such as '{'x' * 32}', not"),
    ],
)
def test_a_name_of_the_operators_own_that_discord_would_refuse(tmp_path: Path, name: str, like: str) -> None:
    told = mistakes(
        tmp_path,
        f'[deployments."{name}"]\ndeployment_id = "{UUID}"\n[deployments.a]\ndeployment_id = "{OTHER}"\n'
        f'group = "{name}"\ninputs.x.option = "{name}"\n',
    )
    places = (
        f"deployment '{name}': its name",
        "deployment 'a': 'group'",
        "deployment 'a', input 'x': 'option'",
    )
    for sentence, place in zip(told, places, strict=True):
        assert sentence.startswith(f"deployments.toml: {place} must be what Discord takes, {like}")


def test_names_that_discord_takes_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    file.write_text(
        f'[deployments."-mein_flüx_"]\ndeployment_id = "{UUID.upper()}"\ninputs.x.option = "größe"\n',
        encoding="utf-8",
    )
    (config,) = load_deployments_file(file, input_class)
    assert (config.name, config.deployment_id) == ("-mein_flüx_", UUID)
    assert config.inputs["x"].option == "größe"


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ('kind = "integer"\ndefault = "x"', "default 'x' is not a whole number"),
        ('kind = "integer"\ndefault = 2.5', "default 2.5 is not a whole number"),
        ('kind = "integer"\ndefault = true', "default True is not a whole number"),
        (f'kind = "integer"\ndefault = {10**29}', "default' must be a number"),
        ("default = 1e29", "default must be a number between"),
        (f"fixed = {2**64}", "'fixed' must be a number of at most 64 bits"),
        (f"max = 5\ndefault = 0x{'f' * 5_000}", "'default' must be a number"),
        ('class_type = "ComfyUIDeployExternalNumber"\ndefault = "x"', "default 'x' is not a number"),
        ('kind = "boolean"\ndefault = "yes"', "default 'yes' is not true or false"),
        ('kind = "text"\ndefault = 5', "default 5 is not text in quotes"),
        ('kind = "image"\ndefault = true', "default True is not text in quotes"),
        ('kind = "images"\ndefault = "x"', "default 'x' is not a list of texts"),
        ('kind = "choice"', "a choice needs 'choices'"),
        ('kind = "choice"\nchoices = []', "'choices' must not be empty"),
        ('class_type = "ComfyUIDeployExternalEnum"', "a choice needs 'choices'"),
        ("choices = []", "'choices' must not be empty"),
        ('option = "gpu"', "'option' can't be 'gpu', which is the bot's own"),
    ],
)
def test_what_an_input_would_lose_silently_is_a_mistake(tmp_path: Path, settings: str, part: str) -> None:
    (told,) = mistakes(tmp_path, A + f"[deployments.a.inputs.x]\n{settings}\n")
    assert told.startswith("deployments.toml: deployment 'a', input 'x': ")
    assert part in told


def test_two_inputs_with_one_option(tmp_path: Path) -> None:
    described = A + 'inputs.b.option = "x"\ninputs.c.option = "x"\n'
    (told,) = mistakes(tmp_path, described)
    assert told == "deployments.toml: deployment 'a': inputs 'b', 'c' all have the option 'x'; only one can"
    file = tmp_path / "deployments.toml"
    file.write_text(f"{described}inputs.c.hidden = true\n")
    assert len(load_deployments_file(file, input_class)) == 1


def test_a_name_among_the_settings_is_none(tmp_path: Path) -> None:
    (told,) = mistakes(tmp_path, A + 'name = "b"\n')
    assert "unknown setting 'name'; the table's name is the deployment's" in told


def test_the_quick_start_needs_only_an_id() -> None:
    assert single_deployment(UUID).deployment_id == UUID


@pytest.mark.parametrize("gpu", ['""', '" "', f'"{"x" * 101}"'])
def test_a_default_gpu_that_discord_would_refuse_as_a_choice(tmp_path: Path, gpu: str) -> None:
    (told,) = mistakes(tmp_path, A + f"default_gpu = {gpu}\n")
    assert told.startswith("deployments.toml: deployment 'a': 'default_gpu' ")


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("sizes = 5", [": 'sizes' must be a table"]),
        ('sizes = {wdith = "w"}', [", sizes: unknown setting 'wdith'; did you mean 'width'?"]),
        (
            "sizes = {width = 5, height = 6}",
            [", sizes: 'width' must be text in quotes", ", sizes: 'height' must"],
        ),
        ('sizes = {option = "gpu"}', [", sizes: 'option' can't be 'gpu', which is the bot's own"]),
        ('sizes = {option = "My Size"}', [", sizes: 'option' must be what Discord takes, such as 'my_size'"]),
        (
            'sizes.choices = {a = [1024], b = "1024x1024", c = [0, 8], d = [8.5, 8], e = [true, 8]}',
            [f", size '{name}': must be two whole numbers above 0, as in [1024, 1024]" for name in "abcde"],
        ),
        ("sizes.choices = [[1024, 1024]]", [", sizes: 'choices' must be a table"]),
        ("sizes.choices = {}", [", sizes: 'choices' must not be empty; leave it out for square,"]),
        (
            "sizes.choices = {a = [8, 8], A = [8, 16], b = [8, 8]}",
            [
                ", sizes: choices 'a' and 'A' have the same name",
                ", sizes: choices 'a' and 'b' have the same size",
            ],
        ),
        (
            f"sizes.choices = {{{', '.join(f'n{n} = [8, {8 + n}]' for n in range(26))}}}",
            [", sizes: there are 26 choices and Discord takes 25"],
        ),
        (
            f'sizes.choices = {{"" = [8, 8], {"n" * 101} = [8, 16]}}',
            [", sizes: the name '' has 0 characters and Discord takes 1 to 100", "has 101 characters"],
        ),
        ('sizes.default = "round"', [", sizes: default 'round' is not one of the choices"]),
        (
            'sizes = {default = "square", choices = {wide = [16, 8]}}',
            [", sizes: default 'square' is not one of the choices"],
        ),
        (
            'sizes = {width = "side", height = "side"}',
            [", sizes: width and height are both the input 'side'; each needs its own"],
        ),
        (
            "sizes.choices = {a = [64, 64], b = [512, 512]}\ninputs.width.min = 256\ninputs.height.max = 256",
            [": size 'a': width 64 is below minimum 256", ": size 'b': height 512 is above maximum 256"],
        ),
        (
            "sizes = {}\ninputs.width.hidden = true\ninputs.height.fixed = 8",
            [
                ": sizes can't set input 'width': it is hidden",
                ": sizes can't set input 'height': it is fixed",
            ],
        ),
        (
            'sizes = {}\ninputs.width.kind = "text"\ninputs.height.seed = true',
            [
                ": sizes can't set input 'width': it is of kind 'text', not a number",
                ": sizes can't set input 'height': it is a seed",
            ],
        ),
        (
            'sizes.option = "shape"\ninputs.form.option = "shape"',
            [": sizes and input 'form' both have the option 'shape'; only one can"],
        ),
    ],
)
def test_every_mistake_in_sizes_is_a_sentence(tmp_path: Path, text: str, sentences: list[str]) -> None:
    told = mistakes(tmp_path, f"{A}{text}\n")
    assert len(told) == len(sentences)
    for said, sentence in zip(told, sentences, strict=True):
        assert said.startswith("deployments.toml: deployment 'a'")
        assert sentence in said


def test_sizes_and_options_of_their_inputs_may_share_a_name(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    file.write_text(f'{A}sizes = {{}}\ninputs.width.option = "size"\n')
    (config,) = load_deployments_file(file, input_class)
    assert config.sizes is not None
    assert (config.sizes.keys, config.sizes.option) == (("width", "height"), "size")
