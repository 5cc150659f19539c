"""The command line without a model: options, settings commands, exit codes, errors."""

import json
import os

import pytest

import cl_workbench
from cl_workbench import assembly
from cl_workbench.cli import run
from engines.documents import samples
from engines.protocol import ModelError
from tests.cl_workbench.command_line import program, start


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CL_WORKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def call(capsys, *arguments):
    code = run(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_version_and_the_help(capsys):
    assert call(capsys, "--version") == (0, f"cl-workbench {cl_workbench.__version__}\n", "")
    code, out, _ = call(capsys, "-h")
    assert code == 0
    assert all(name in out for name in ("learn", "ask", "config", "models", "Exit codes"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["lern"], "No such command 'lern'"),
        (["learn"], "Missing argument 'PATH...'"),
        (["learn", "x", "--engine", "tttt"], "'tttt' is not"),
        (["learn", "x", "--save", "../up"], "can't be a checkpoint name"),
        (["--profile", "a/b", "config", "show"], "can't be a profile name"),
        (["ask"], "Give either QUESTION... or --questions FILE"),
        (["ask", "--questions", "missing.txt"], "does not exist"),
        (["ask", " "], "A question is empty"),
        (["ask", "x", "--alpha", "1.5"], "not in the range"),
        (["ask", "x", "--alpha", "0.5", "--base"], "leave out --alpha"),
        (["config", "get", "ttt.learning_rat"], "did you mean ttt.learning_rate?"),
        (["config", "set", "x", "1"], "There is no setting x"),
        (["config", "unset", "ttt.sede"], "did you mean ttt.seed?"),
        (["config", "show", "--set", "ttt.seed"], "is not of the form key=value"),
        (["config", "show", "--profile", "fats"], "did you mean fast?"),
        (["--log-level", "loud", "config", "path"], "'loud' is not one of"),
    ],
)
def test_wrong_use_is_exit_code_2_and_says_what_is_right(home, capsys, arguments, told):
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "ttt.seed=5", "config", "get", "ttt.seed"],
        ["config", "--set", "ttt.seed=5", "get", "ttt.seed"],
        ["config", "get", "--set", "ttt.seed=5", "ttt.seed"],
        ["config", "get", "ttt.seed", "--set", "ttt.seed=4", "--set", "ttt.seed=5"],
        ["--set", "ttt.seed=4", "config", "get", "ttt.seed", "--set", "ttt.seed=5"],
    ],
)
def test_global_options_are_taken_before_and_after_the_command(home, capsys, arguments):
    assert call(capsys, *arguments) == (0, "5\n", "")


def test_the_home_named_last_counts(home, tmp_path, capsys):
    outer, inner = str(tmp_path / "outer"), str(tmp_path / "inner")
    assert call(capsys, "config", "path")[1].strip() == str(home / "configs" / "user.yaml")
    assert call(capsys, "--home", outer, "config", "path")[1].startswith(outer)
    assert call(capsys, "--home", outer, "config", "path", "--home", inner)[1].startswith(inner)


def test_the_log_level_is_a_setting(home, capsys):
    assert call(capsys, "--log-level", "debug", "config", "get", "log.level")[1] == "debug\n"


def test_a_setting_is_set_shown_and_unset(home, capsys):
    code, out, _ = call(capsys, "config", "set", "ttt.learning_rate", "2e-4")
    path = home / "configs" / "user.yaml"
    assert (code, out) == (0, f"ttt.learning_rate is 0.0002 now, in {path}.\n")
    assert call(capsys, "config", "get", "ttt.learning_rate")[1] == "0.0002\n"
    shown = call(capsys, "config", "show")[1]
    line = next(line for line in shown.splitlines() if line.startswith("ttt.learning_rate "))
    assert line.split() == ["ttt.learning_rate", "0.0002", "user", f"({path})"]
    record = json.loads(call(capsys, "config", "show", "--json")[1])
    assert record["ttt.learning_rate"] == {"value": 0.0002, "source": "user"}
    assert record["documents.text_fields"]["value"] == ["text", "content"]
    assert call(capsys, "config", "unset", "ttt.learning_rate")[0] == 0
    assert "learning_rate" not in path.read_text()
    assert "was not set" in call(capsys, "config", "unset", "ttt.learning_rate")[1]


def test_a_negative_number_is_a_value_and_no_option(home, capsys):
    code, _, err = call(capsys, "config", "set", "ttt.weight_decay", "-1")
    assert code == 1
    assert err == ("cl-workbench: ttt.weight_decay can't be -1: allowed is a number from 0 to 1.\n")


def test_a_null_setting_is_shown_as_null(home, capsys):
    assert call(capsys, "config", "get", "generation.seed")[1] == "null\n"
    out = call(capsys, "config", "get", "generation.seed", "--json")[1]
    assert json.loads(out) == {"key": "generation.seed", "value": None}


def test_all_problems_of_a_file_are_printed_and_fail(home, tmp_path, capsys):
    bad = tmp_path / "bad.yaml"
    bad.write_text("ttt:\n  sede: 1\n  learning_rate: x\n")
    code, out, err = call(capsys, "config", "validate", str(bad))
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 2
    assert all(line.startswith(f"cl-workbench: {bad}: ") for line in err.splitlines())
    bad.write_text("ttt:\n  seed: 1\n")
    assert call(capsys, "config", "validate", str(bad))[0] == 0


def test_a_broken_user_file_can_be_mended_from_the_command_line(home, capsys):
    path = home / "configs" / "user.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("ttt:\n  sede: 1\n")
    code, _, err = call(capsys, "config", "validate")
    assert code == 1
    assert "did you mean ttt.seed?" in err
    assert call(capsys, "config", "unset", "ttt.sede")[0] == 0
    code, out, _ = call(capsys, "config", "validate")
    assert code == 0
    assert out.startswith("All settings are fine; 0 of ")


def test_a_home_that_can_not_be_written_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        code, out, err = call(capsys, "--home", str(home), "config", "set", "ttt.seed", "1")
        assert code in {1, 2}
        assert out == ""
        assert str(tmp_path / "file") in err
        assert "Traceback" not in err


def test_a_dry_run_shows_what_would_be_read_and_loads_no_model(home, tmp_path, capsys):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.md").write_text("# Ash\n\nAsh is a tree.")
    (tmp_path / "texts" / "b.txt").write_text("")
    code, out, err = call(capsys, "learn", "--dry-run", str(tmp_path / "texts"))
    assert code == 1
    assert "a.md  Ash  21 characters" in out
    assert out.endswith("1 would be learned, 1 can't be.\n")
    assert "b.txt is empty" in err
    code, out, _ = call(capsys, "learn", "--dry-run", "--json", str(tmp_path / "texts" / "a.md"))
    assert code == 0
    assert json.loads(out)["would_learn"][0]["title"] == "Ash"


def test_a_failure_of_the_model_is_one_sentence_and_exit_code_1(home, capsys, monkeypatch):
    def fail(settings, report):
        raise ModelError("No model here: pull one.")

    monkeypatch.setattr(assembly, "build_host", fail)
    code, out, err = call(capsys, "ask", "Why?", "--json")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == "cl-workbench: No model here: pull one."


def test_an_unexpected_failure_names_the_log_and_hides_keys(home, capsys, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "nobody-guesses-this")

    def fail(settings, report):
        raise ValueError("nobody-guesses-this failed")

    monkeypatch.setattr(assembly, "build_host", fail)
    code, _, err = call(capsys, "ask", "Why?")
    log = home / "logs" / "cl-workbench.log"
    assert code == 1
    told = f"Something failed unexpectedly (ValueError); the details are in {log}."
    assert err.splitlines()[-1] == f"cl-workbench: {told}"
    assert "Traceback" not in err
    assert "Traceback" in log.read_text()
    assert "nobody-guesses-this" not in log.read_text()


def test_without_a_place_for_the_log_work_goes_on(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CL_WORKBENCH_HOME", str(tmp_path / "file" / "below"))
    code, out, err = call(capsys, "learn", "--dry-run", str(samples()[0]))
    assert code == 0
    assert "1 would be learned" in out
    assert err.startswith("cl-workbench: Nothing is logged: ")


def test_ctrl_c_while_a_model_loads_is_exit_code_130(home, capsys, monkeypatch):
    def interrupt(settings, report):
        raise KeyboardInterrupt

    monkeypatch.setattr(assembly, "build_host", interrupt)
    assert call(capsys, "ask", "Why?")[0] == 130


def test_an_empty_model_cache_says_how_to_fill_it(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CL_WORKBENCH_CACHE", str(tmp_path / "cache"))
    code, out, _ = call(capsys, "models", "list")
    assert code == 0
    assert "models pull embedded" in out
    record = json.loads(call(capsys, "models", "list", "--json")[1])
    assert record == {"cache": str(tmp_path / "cache"), "models": []}
    code, _, err = call(capsys, "models", "path", "embedded")
    assert code == 1
    assert "models pull embedded" in err
    code, _, err = call(capsys, "models", "remove", "embedded")
    assert code == 1
    assert "not in the cache" in err


def test_a_name_that_is_no_model_is_refused(home, capsys):
    code, out, err = call(capsys, "models", "pull", "no such thing")
    assert (code, out) == (1, "")
    assert "no such thing" in err


def test_a_reader_that_goes_away_is_no_error(home):
    process = start("config", "show")
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert err == ""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("cl-workbench le", "learn"),
        ("cl-workbench config get ttt.lear", "ttt.learning_rate"),
        ("cl-workbench --set alpha.i", "alpha.initial="),
        ("cl-workbench --profile ca", "careful"),
        ("cl-workbench ask --load mi", "mill"),
    ],
)
def test_the_shell_completes(home, capsys, monkeypatch, words, expected):
    (home / "checkpoints" / "mill").mkdir(parents=True)
    (home / "checkpoints" / "mill" / "manifest.json").write_text("{}")
    monkeypatch.setenv("_CL_WORKBENCH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit):
        run([])
    assert expected in capsys.readouterr().out


def test_the_program_itself_ends_with_the_exit_code(home):
    assert program("config", "get", "ttt.seed").stdout == "0\n"
    assert program("config", "get", "nothing").returncode == 2
    assert program("config", "validate", os.devnull).returncode in {0, 2}
