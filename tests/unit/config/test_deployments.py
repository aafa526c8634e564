"""Where the deployments are named: by an id, or in one file."""

from __future__ import annotations

from pathlib import Path

from tests.unit.config.environment import DEPLOYMENT, load, mistakes


def test_two_sources_of_deployments_are_refused() -> None:
    Path("mine.toml").touch()
    (sentence,) = mistakes(DEPLOYMENTS_FILE="mine.toml")
    assert "COMFYDEPLOY_DEPLOYMENT_ID and DEPLOYMENTS_FILE are both set" in sentence


def test_a_named_deployments_file_must_be_there() -> None:
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="mine.toml")
    assert found == ("DEPLOYMENTS_FILE names 'mine.toml', which doesn't exist.",)


def test_deployments_toml_is_used_when_nothing_else_is_named() -> None:
    Path("deployments.toml").write_text(
        f'[deployments.a]\ndeployment_id = "{DEPLOYMENT}"\n', encoding="utf-8"
    )
    assert load(COMFYDEPLOY_DEPLOYMENT_ID="").deployments_file == Path("deployments.toml")


def test_a_deployments_toml_that_is_not_read_is_told() -> None:
    Path("deployments.toml").touch()
    settings = load()
    assert settings.deployments_file is None
    assert any("deployments.toml is not read" in warning for warning in settings.warnings())


def test_a_folder_is_no_file_of_deployments() -> None:
    Path("mine").mkdir()
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="mine")
    assert found == ("DEPLOYMENTS_FILE names 'mine', which is a folder. Name the file in it.",)
    Path("deployments.toml").mkdir()
    assert mistakes(COMFYDEPLOY_DEPLOYMENT_ID="") == ("deployments.toml is a folder. Name the file in it.",)


def test_a_name_that_no_file_can_have() -> None:
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="a" * 5000)
    assert found == (f"DEPLOYMENTS_FILE names '{'a' * 99}…', which can't be read: File name too long.",)


def test_the_mistakes_of_both_files_are_told_at_once() -> None:
    Path("deployments.toml").write_text(
        f'[deployments.a]\ndeployment_id = "{DEPLOYMENT}"\nguid = 1\n[deployments.b]\ntitle = 3\n',
        encoding="utf-8",
    )
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DISCORD_TOKEN="", WEB_PORT="many", ROLES="gatway")
    for words in ("DISCORD_TOKEN", "WEB_PORT", "ROLES", "'guid'", "'title'", "'deployment_id' is missing"):
        assert [sentence for sentence in found if words in sentence], (words, found)
