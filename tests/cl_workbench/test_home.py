"""Where things are kept, and that a place that can't be written is one sentence."""

import os
from pathlib import Path

import pytest

from cl_workbench.assets import asset
from cl_workbench.home import Home, made
from engines.protocol import EngineError
from tests.cl_workbench.command_line import ROOT


def test_everything_lies_under_the_folder_that_is_named(tmp_path):
    home = Home.find(tmp_path, environment={})
    paths = (home.checkpoints, home.playbooks, home.user_settings, home.profiles, home.log_file)
    assert home.root == tmp_path
    assert all(path.is_relative_to(tmp_path) for path in paths)
    assert list(tmp_path.iterdir()) == []


def test_the_option_goes_before_the_variable_and_that_before_the_checkout(tmp_path):
    variables = {"CL_WORKBENCH_HOME": str(tmp_path / "b")}
    assert Home.find(tmp_path / "a", environment=variables).root == tmp_path / "a"
    assert Home.find(environment=variables).root == tmp_path / "b"
    assert Home.find(environment={}).root == ROOT


def test_a_relative_home_and_a_tilde_become_whole_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Home.find("here", environment={}).root == tmp_path / "here"
    assert Home.find("~/there", environment={}).root == Path(os.environ["HOME"]) / "there"


def test_a_checkout_keeps_user_settings_beside_the_default():
    home = Home.find(environment={})
    assert home.user_settings == ROOT / "configs" / "user.yaml"
    assert home.checkpoints == ROOT / "checkpoints"


def test_outside_a_checkout_the_platforms_user_folders_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr("cl_workbench.home.PACKAGE", tmp_path / "site-packages" / "cl_workbench")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    home = Home.find(environment={})
    assert home.root.is_relative_to(tmp_path)
    assert home.checkpoints.parent == home.root
    assert home.user_settings.name == "user.yaml"
    assert home.user_settings.is_relative_to(tmp_path)


def test_a_home_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="is not a folder"):
        Home.find(tmp_path / "file")


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", "", "a" * 65, "-x", "ü"])
def test_a_checkpoint_name_never_leaves_its_folder(tmp_path, name):
    with pytest.raises(EngineError, match="checkpoint name"):
        Home.find(tmp_path).checkpoint(name)


def test_a_checkpoint_has_a_folder_of_its_own(tmp_path):
    assert Home.find(tmp_path).checkpoint("mill-1.0") == tmp_path / "checkpoints" / "mill-1.0"


def test_a_folder_that_can_not_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="choose another folder with --home"):
        made(tmp_path / "file" / "checkpoints")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(EngineError, match="choose another folder with --home"):
        made(tmp_path / "checkpoints")
    with pytest.raises(EngineError, match="permission denied"):
        made(tmp_path)


def test_shipped_files_are_found_in_a_checkout_and_a_missing_one_is_named():
    assert asset("configs", "default.yaml").is_file()
    with pytest.raises(FileNotFoundError, match="no/such is missing"):
        asset("no", "such")


def test_shipped_files_are_found_inside_an_installed_package(tmp_path, monkeypatch):
    (tmp_path / "cl_workbench" / "configs").mkdir(parents=True)
    monkeypatch.setattr("cl_workbench.assets.PACKAGE", tmp_path / "cl_workbench")
    assert asset("configs") == tmp_path / "cl_workbench" / "configs"
