"""What each part may import, proved in processes of their own; and that imports are late."""

import json
import subprocess
import sys

import pytest

import cl_workbench
from tests.cl_workbench.command_line import ROOT

HEAVY = ("torch", "transformers", "textual")


def imported(statement: str) -> set[str]:
    """The top-level packages in memory after ``statement`` has run in a fresh process."""
    tail = "import json, sys; sys.stderr.write(json.dumps(sorted({m.partition('.')[0]"
    script = f"{statement}\n{tail} for m in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stderr))


def test_importing_the_package_imports_neither_a_model_library_nor_the_screen():
    assert imported("import cl_workbench").isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "option", ["--version", "--help", "learn --help", "config show", "playbook list"]
)
def test_quick_commands_import_neither_a_model_library_nor_the_screen(option):
    call = f"from cl_workbench.cli import run; assert run({option.split()!r}) == 0"
    assert imported(call).isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "module",
    [
        "protocol",
        "documents",
        "atomic",
        "checkpoints",
        "catalogue",
        "models",
        "samples",
        "ttt.settings",
    ],
)
def test_these_engine_modules_are_free_of_torch(module):
    assert imported(f"import engines.{module}").isdisjoint(HEAVY)


def test_engines_never_import_the_screen():
    every = "import importlib, pkgutil, engines\n"
    every += "for m in pkgutil.walk_packages(engines.__path__, 'engines.'):\n"
    every += "    importlib.import_module(m.name)"
    packages = imported(every)
    assert "torch" in packages
    assert packages.isdisjoint({"textual", "widgets", "cl_workbench"})


def test_widgets_never_import_a_model():
    every = "import importlib, pkgutil, widgets\n"
    every += "for m in pkgutil.walk_packages(widgets.__path__, 'widgets.'):\n"
    every += "    importlib.import_module(m.name)"
    packages = imported(every)
    assert packages.isdisjoint({"torch", "transformers", "engines", "cl_workbench"})


@pytest.mark.parametrize("name", cl_workbench.__all__)
def test_every_public_name_resolves(name):
    value = getattr(cl_workbench, name)
    assert value is not None
    if isinstance(value, type):
        assert value.__name__ == name


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="ModelHots"):
        _ = cl_workbench.ModelHots
    assert not hasattr(cl_workbench, "os")


def test_public_names_are_listed():
    assert set(cl_workbench.__all__) <= set(dir(cl_workbench))
