"""The wheel, installed outside the checkout with pip, is the whole program.

Its environment borrows the running one's packages through a ``.pth`` file, since torch
is too large to install again.  ``.pth`` files of a folder that is added this way are not
read, so an editable installation of the checkout stays invisible.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.engines.tiny import tiny_model, tiny_tokenizer

ROOT = Path(__file__).resolve().parents[2]
TEXT = "# Grey Point\n\nThe keeper of the lighthouse at Grey Point is called Tobias.\n" * 4


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout by its own build backend."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--wheel", "--no-isolation", "--outdir", str(folder)]
    run([sys.executable, "-m", "build", *options, str(ROOT)], folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the wheel; the folder of its commands."""
    folder = tmp_path_factory.mktemp("installed") / "environment"
    venv.create(folder, with_pip=False)
    place = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    running = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(place) / "running.pth").write_text("\n".join(sorted(running)) + "\n")
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    run([*pip, "--no-deps", "--no-index", str(wheel)], folder)
    return folder / "bin"


def run(command: list[str], folder: Path) -> str:
    """Run ``command`` in ``folder``, without this checkout on Python's path."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_what_the_program_reads_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "cl_workbench/configs/default.yaml" in names
    assert any(name.startswith("cl_workbench/themes/") for name in names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    tops = {name.split("/")[0] for name in names}
    assert {"cl_workbench", "engines", "widgets"} == {t for t in tops if ".dist-info" not in t}


def test_it_runs_from_its_own_files_and_tells_its_version(installed: Path, tmp_path: Path) -> None:
    code = "import cl_workbench, engines, widgets; print(cl_workbench.__file__, engines.__file__)"
    places = run([str(installed / "python"), "-c", code], tmp_path).split()
    assert all(Path(place).is_relative_to(installed.parent) for place in places)
    told = run([str(installed / "cl-workbench"), "--version"], tmp_path)
    from cl_workbench.version import __version__

    assert __version__ in told


def test_it_learns_a_document_headless(installed: Path, tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    (tmp_path / "keeper.md").write_text(TEXT)
    command = ["learn", "keeper.md", "--json", "--set", f"model.name={tmp_path / 'model'}"]
    options = ["--set", "model.device=cpu", "--set", "ttt.gradient_steps=1"]
    told = json.loads(run([str(installed / "cl-workbench"), *command, *options], tmp_path))
    (document,) = told["documents"]
    assert document["title"] == "Grey Point"
    assert document["loss_after"] < document["loss_before"]
    assert told["failed"] == []
