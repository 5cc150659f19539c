"""The user's settings file: changed one value at a time, everything else left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_workbench.home import Home
from cl_workbench.settings import Settings, set_in_file, unset_in_file
from cl_workbench.settings_file import SettingsFileError, read_keys
from cl_workbench.settings_text import yaml_text
from engines.protocol import EngineError

COMMENTED = """\
# mine
ttt:
  # slower, for poems
  learning_rate: 0.0005  # was 0.001

  gradient_steps: 3
# how I like answers
generation:
  system_prompt: |
    Be brief.
    Be kind.
  temperature: 0.7   # warm
documents:
  text_fields:
  - body
  - text
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "configs" / "user.yaml"


def keep(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_first_change_makes_the_file(path):
    set_in_file(path, "ttt.learning_rate", "2e-4")
    assert dict(read_keys(path)) == {"ttt.learning_rate": 0.0002}
    assert path.read_text().startswith("#")


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        (
            "ttt.learning_rate",
            "0.002",
            "learning_rate: 0.0005  # was",
            "learning_rate: 0.002  # was",
        ),
        ("generation.temperature", "0", "temperature: 0.7 ", "temperature: 0.0 "),
        ("ttt.seed", "4", "gradient_steps: 3\n", "gradient_steps: 3\n  seed: 4\n"),
        (
            "generation.system_prompt",
            "Sing.",
            "|\n    Be brief.\n    Be kind.\n",
            "Sing.\n",
        ),
        ("documents.text_fields", "a,b", ":\n  - body\n  - text", ": [a, b]"),
        ("ui.theme", "paper", "  - text\n", "  - text\nui:\n  theme: paper\n"),
    ],
)
def test_a_change_touches_nothing_but_its_value(path, key, value, old, new):
    keep(path, COMMENTED)
    assert old in COMMENTED
    set_in_file(path, key, value)
    assert path.read_text() == COMMENTED.replace(old, new)


@pytest.mark.parametrize(
    ("key", "gone"),
    [
        ("ttt.learning_rate", "  learning_rate: 0.0005  # was 0.001\n"),
        ("generation.system_prompt", "  system_prompt: |\n    Be brief.\n    Be kind.\n"),
        ("documents.text_fields", "  text_fields:\n  - body\n  - text\n"),
    ],
)
def test_taking_a_key_out_takes_only_its_lines(path, key, gone):
    keep(path, COMMENTED)
    assert unset_in_file(path, key)
    assert path.read_text() == COMMENTED.replace(gone, "")
    assert key not in dict(read_keys(path))
    assert not unset_in_file(path, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "ttt:\n",
        "ttt: null  # none yet\n",
        "ttt: {}\n",
        "ttt: {seed: 1, gradient_steps: 2}\n",
        "{ttt: {seed: 1}}\n",
        "ttt:\n  learning_rate:\n",
        "ttt:\n    learning_rate: 1.0",
        "\ufeff# with a mark\r\nttt:\r\n  seed: 2\r\n",
        "---\nttt:\n  seed: 1\n",
        "'ttt':\n  'learning_rate': '1'\n",
    ],
)
def test_a_value_can_be_set_and_unset_however_the_file_is_written(path, text):
    keep(path, text)
    before = dict(read_keys(path)) | {"ttt.learning_rate": 0.01}
    set_in_file(path, "ttt.learning_rate", "0.01")
    assert dict(read_keys(path)) == before
    assert unset_in_file(path, "ttt.learning_rate")
    del before["ttt.learning_rate"]
    assert dict(read_keys(path)) == before
    assert path.read_text().count("#") >= text.count("#")


def test_a_misspelt_key_or_section_can_be_taken_out(path):
    keep(path, "ttt:\n  learning_rat: 1\nmodle:\n  name: x\n  more: [1, 2]\nui: {}\n")
    assert unset_in_file(path, "ttt.learning_rat")
    assert unset_in_file(path, "modle")
    assert dict(read_keys(path)) == {}


def test_what_would_change_more_than_one_value_is_left_to_the_person(path):
    text = "ttt:\n  weight_decay: &same 0.1\n  gradient_clip: *same\n"
    keep(path, text)
    with pytest.raises(EngineError, match="edit it by hand"):
        set_in_file(path, "ttt.gradient_clip", "1")
    assert path.read_text() == text


def test_a_bad_value_leaves_the_file_as_it_was(path):
    keep(path, COMMENTED)
    with pytest.raises(EngineError, match="allowed is a number from 1e-08 to 1"):
        set_in_file(path, "ttt.learning_rate", "quick")
    with pytest.raises(EngineError, match=r"did you mean ttt\.learning_rate"):
        set_in_file(path, "ttt.learningrate", "1")
    assert path.read_text() == COMMENTED


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ttt:\n  seed: 1\n bad: [\n", "line 3: "),
        ("ttt: {seed: 1\n", "line "),
        ("ttt:\n  seed: 1\n  seed: 2\n", "line 3: "),
        ("\tttt: 1\n", "line 1: "),
        ("- a\n- b\n", "holds no settings"),
        ("just words\n", "holds no settings"),
        ("ttt:\n  seed: *unknown\n", "line 2: "),
        ("ttt: !!python/object:os.system {}\n", "line 1: "),
        ("a: 1\n---\nb: 2\n", "line 2: "),
    ],
)
def test_a_file_that_is_no_yaml_is_one_sentence_with_file_and_line(path, text, told):
    keep(path, text)
    with pytest.raises(SettingsFileError) as caught:
        list(read_keys(path))
    assert str(path) in str(caught.value)
    assert told in caught.value.reason
    assert "\n" not in caught.value.reason
    with pytest.raises(EngineError):
        set_in_file(path, "ttt.seed", "1")
    assert path.read_text() == text


def test_bytes_that_are_no_text_are_one_sentence(path):
    keep(path, "")
    path.write_bytes(b"ttt:\n  seed: \xff\n")
    with pytest.raises(SettingsFileError, match="is not UTF-8"):
        list(read_keys(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsFileError, match="can't be read"):
        list(read_keys(path))


def test_a_setting_changed_at_run_time_counts_at_once_and_from_then_on(tmp_path):
    home = Home.find(tmp_path)
    settings = Settings.load(home, environment={})
    settings.set_user("ui.theme", "paper")
    settings.set_user("tfidf_gate.threshold", 0.5)
    settings.set_user("generation.seed", None)
    assert (settings.get("ui.theme"), settings.source("ui.theme")) == ("paper", "user")
    again = Settings.load(home, environment={})
    assert again.get("ui.theme") == "paper"
    assert again.get("tfidf_gate.threshold") == 0.5
    assert again.source("generation.seed") == "user"
    assert list(home.user_settings.parent.iterdir()) == [home.user_settings]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1))
def test_every_text_survives_the_file(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("file") / "user.yaml"
    if not text.strip() or text.strip().lower() in {"null", "none", "~"}:
        return
    set_in_file(path, "generation.system_prompt", text)
    assert dict(read_keys(path)) == {"generation.system_prompt": text}
    set_in_file(path, "generation.system_prompt", "other")
    assert dict(read_keys(path)) == {"generation.system_prompt": "other"}


@pytest.mark.parametrize("number", [1e-8, 1e-05, 0.1, 1.0, 3, 1e16, 123456.789])
def test_numbers_read_back_as_themselves(path, number):
    keep(path, f"a:\n  b: {yaml_text(number)}\n")
    ((_, value),) = read_keys(path)
    assert value == number
    assert type(value) is type(number)
