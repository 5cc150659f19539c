"""install.sh on this machine: clone, update, refuse, and run twice.

The real script and the real git run; only Python is a stand-in, whose ``venv`` and
``pip`` make an environment of two small scripts, because the true one brings torch and
takes minutes.  ``make`` and CI run the true one through the very same function.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("install.sh", "pyproject.toml", "constraints.txt")

FAKE_PYTHON = """#!/bin/sh
case "$1 ${2:-}" in
    "-c "*) exec REAL "$@" ;;
    "-m venv")
        for folder in "$@"; do :; done
        mkdir -p "$folder/bin" && cp "$0" "$folder/bin/python" ;;
    "-m pip")
        echo pip "$@" >>"$PIP_LOG"
        if [ -n "${PIP_FAILS:-}" ]; then exit 1; fi
        printf '#!/bin/sh\\necho started\\n' >"$(dirname "$0")/cl-workbench"
        chmod +x "$(dirname "$0")/cl-workbench" ;;
    *) exit 3 ;;
esac
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Tests", "-c", "user.email=tests@example.org"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Box:
    """A machine to install on: a repository to clone, a home, and a small Python."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.origin = folder / "origin"
        self.origin.mkdir()
        for name in SHIPPED:
            shutil.copy(ROOT / name, self.origin / name)
        git(self.origin, "init", "--quiet", "--initial-branch=main")
        self.commit("First")
        self.python = folder / "python"
        self.python.write_text(FAKE_PYTHON.replace("REAL", sys.executable))
        self.python.chmod(0o755)
        self.pip_log = folder / "pip.log"
        self.project = self.home / "cl-workbench"
        self.command = self.home / ".local" / "bin" / "cl-workbench"

    def commit(self, message: str) -> None:
        git(self.origin, "add", "--all")
        git(self.origin, "commit", "--quiet", "--allow-empty", "--message", message)

    def run(
        self, *arguments: str, script: Path = ROOT / "install.sh", shell: str = "sh", **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the script through a pipe, as ``curl … | sh`` would, unless it is a file's."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PIP_LOG": str(self.pip_log),
            "PYTHON": str(self.python),
            **extra,
        }
        piped = script == ROOT / "install.sh"
        command = [shell, "-s", "--", *arguments] if piped else [shell, str(script), *arguments]
        return subprocess.run(
            command,
            check=False,
            input=script.read_text() if piped else "",
            capture_output=True,
            text=True,
            env={name: value for name, value in environment.items() if value},
            cwd=self.home,
        )

    def install(self, **extra: str) -> subprocess.CompletedProcess[str]:
        return self.run(**{"REPO_URL": str(self.origin), **extra})


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a run that must have failed."""
    assert done.returncode == 1, done.stdout
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("install.sh: ")]
    return sentence


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_fresh_machine_gets_the_source_and_the_command(box: Box, shell: str) -> None:
    done = box.run(shell=shell, REPO_URL=str(box.origin))
    assert done.returncode == 0, done.stderr
    assert (box.project / ".git").is_dir()
    started = subprocess.run([box.command], check=True, capture_output=True, text=True)
    assert started.stdout == "started\n"
    assert "-c constraints.txt -e .[dev]" in box.pip_log.read_text()


def test_a_command_that_is_not_on_the_path_is_told_with_what_to_do(box: Box) -> None:
    assert f'export PATH="{box.command.parent}:$PATH"' in box.install().stdout
    found = box.install(PATH=f"{box.command.parent}:{os.environ['PATH']}").stdout
    assert found.endswith("Start it with: cl-workbench\n")


def test_running_it_again_changes_nothing(box: Box) -> None:
    box.install()
    mine = box.project / "notes.md"
    mine.write_text("mine")
    done = box.install()
    assert done.returncode == 0, done.stderr
    assert "is up to date" in done.stdout
    assert box.pip_log.read_text().count("pip install") == 1
    assert mine.read_text() == "mine"


def test_running_it_again_brings_what_is_new(box: Box) -> None:
    box.install()
    (box.origin / "NEWS").write_text("new")
    with (box.origin / "constraints.txt").open("a") as stream:
        stream.write("# another pin\n")
    box.commit("Second")
    assert box.install(REPO_URL="").returncode == 0
    assert (box.project / "NEWS").read_text() == "new"
    assert box.pip_log.read_text().count("pip install") == 2


def test_changes_of_the_users_own_are_kept_and_named(box: Box) -> None:
    box.install()
    edited = box.project / "constraints.txt"
    edited.write_text("# mine\n")
    (box.origin / "NEWS").write_text("new")
    box.commit("Second")
    assert "has changes of yours; commit or stash them" in refused(box.install())
    assert edited.read_text() == "# mine\n"
    assert not (box.project / "NEWS").exists()


def test_a_diverged_clone_is_kept_and_named(box: Box) -> None:
    box.install()
    git(box.project, "commit", "--quiet", "--allow-empty", "--message", "Mine")
    box.commit("Theirs")
    assert "commits or files of its own" in refused(box.install())
    assert "Mine" in git(box.project, "log", "-1")


def test_a_clone_on_no_branch_is_told_which_to_take(box: Box) -> None:
    box.install()
    git(box.project, "checkout", "--quiet", "--detach")
    assert "git switch main" in refused(box.install())


def test_a_remote_that_is_gone_is_told(box: Box) -> None:
    box.install()
    box.origin.rename(box.origin.with_name("moved"))
    assert "could not reach the remote" in refused(box.install())


@pytest.mark.parametrize("content", ["a file of mine", "another repository"])
def test_a_folder_with_something_else_is_left_alone(box: Box, content: str) -> None:
    box.project.mkdir()
    (box.project / "mine").write_text(content)
    if content == "another repository":
        git(box.project, "init", "--quiet")
    assert "set PROJECT_DIR to another folder" in refused(box.install())
    assert (box.project / "mine").read_text() == content


def test_without_a_repository_the_variable_is_named(box: Box) -> None:
    assert "set REPO_URL" in refused(box.run())
    assert not box.project.exists()


def test_a_wrong_address_is_told_and_leaves_no_folder(box: Box) -> None:
    assert "check REPO_URL" in refused(box.install(REPO_URL=str(box.home / "nowhere")))
    assert not box.project.exists()


def test_places_are_chosen_by_variables(box: Box, tmp_path: Path) -> None:
    project, commands = tmp_path / "with space" / "here", tmp_path / "commands"
    done = box.install(PROJECT_DIR=str(project), BIN_DIR=str(commands))
    assert done.returncode == 0, done.stderr
    assert (commands / "cl-workbench").resolve() == project / ".venv" / "bin" / "cl-workbench"
    assert not box.project.exists()


def test_inside_a_checkout_that_one_is_installed_as_it_is(box: Box, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    git(tmp_path, "clone", "--quiet", str(box.origin), str(checkout))
    (checkout / "mine").write_text("mine")
    done = box.run(script=checkout / "install.sh")
    assert done.returncode == 0, done.stderr
    assert box.command.resolve().is_relative_to(checkout)
    assert not box.project.exists()


def test_the_environment_alone_links_nothing(box: Box, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    git(tmp_path, "clone", "--quiet", str(box.origin), str(checkout))
    assert box.run("--environment", script=checkout / "install.sh").returncode == 0
    assert (checkout / ".venv" / ".installed").is_file()
    assert not box.command.exists()
    assert "only inside a checkout" in refused(box.run("--environment"))


def test_a_failed_installation_is_told_and_done_again_next_time(box: Box) -> None:
    assert "pip could not install" in refused(box.install(PIP_FAILS="1"))
    assert not box.command.exists()
    assert box.install().returncode == 0
    assert box.command.exists()


def test_a_file_in_the_place_of_the_command_is_left_alone(box: Box) -> None:
    box.command.parent.mkdir(parents=True)
    box.command.write_text("mine")
    assert "set BIN_DIR to another folder" in refused(box.install())
    assert box.command.read_text() == "mine"


def test_a_python_that_does_not_fit_is_named(box: Box, tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert f"PYTHON={old} is no Python 3.11" in refused(box.install(PYTHON=str(old)))


def test_missing_programs_are_named(box: Box, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "dirname", "grep", "ls", "cksum", "rm", "touch", "mkdir", "ln"):
        path = shutil.which(name)
        assert path is not None
        (tools / name).symlink_to(path)
    assert "git is missing" in refused(box.install(PATH=str(tools)))
    checkout = tmp_path / "checkout"
    git(tmp_path, "clone", "--quiet", str(box.origin), str(checkout))
    sentence = refused(box.run(script=checkout / "install.sh", PATH=str(tools), PYTHON=""))
    assert "no Python 3.11, 3.12 or 3.13 was found" in sentence


def test_help_and_wrong_options() -> None:
    script = ROOT / "install.sh"
    told = subprocess.run(["sh", script, "--help"], check=True, capture_output=True, text=True)
    for variable in ("REPO_URL", "PROJECT_DIR", "BIN_DIR", "PYTHON"):
        assert variable in told.stdout
    wrong = subprocess.run(
        ["sh", script, "--sideways"], check=False, capture_output=True, text=True
    )
    assert (wrong.returncode, wrong.stdout) == (2, "")
