"""Settings in layers: which one counts, and everything that is wrong in one report."""

from pathlib import Path

import pytest

from cl_workbench.assembly import (
    TTT_KEYS,
    conversation,
    engine_names,
    read_options,
    sampling,
    ttt_settings,
)
from cl_workbench.assets import asset
from cl_workbench.home import Home
from cl_workbench.settings import (
    Settings,
    SettingsError,
    file_problems,
    set_in_file,
    unset_in_file,
)
from cl_workbench.settings_schema import BY_KEY, SECTIONS, SETTINGS
from cl_workbench.settings_text import default_yaml
from engines.documents import ReadOptions
from engines.protocol import EngineError, Sampling, Turn
from engines.ttt.settings import TTTSettings

RATE = "ttt.learning_rate"
PASSES = "ttt.gradient_steps"


@pytest.fixture
def home(tmp_path):
    return Home.find(tmp_path)


def user_file(home, text):
    home.user_settings.parent.mkdir(parents=True, exist_ok=True)
    home.user_settings.write_text(text, encoding="utf-8")
    return home.user_settings


def load(home, *assignments, profile=None, **environment):
    return Settings.load(home, profile=profile, assignments=assignments, environment=environment)


def problems(home, *assignments, profile=None, **environment):
    with pytest.raises(SettingsError) as caught:
        load(home, *assignments, profile=profile, **environment)
    return caught.value


def test_the_shipped_default_file_is_what_the_schema_says():
    shipped = asset("configs", "default.yaml").read_text(encoding="utf-8")
    assert shipped == default_yaml(), "run `python -m cl_workbench.settings_schema`"


def test_the_default_file_is_a_settings_file_that_changes_nothing(home):
    path = user_file(home, default_yaml())
    assert file_problems(path) == []
    settings = load(home)
    assert {s.key: settings.get(s.key) for s in SETTINGS} == {s.key: s.default for s in SETTINGS}
    assert {settings.source(s.key) for s in SETTINGS} == {"user"}


def test_every_default_is_allowed_and_every_section_is_explained():
    assert {setting.section for setting in SETTINGS} == set(SECTIONS)
    assert len(BY_KEY) == len(SETTINGS)
    assert all(setting.meaning and not setting.meaning.endswith(".") for setting in SETTINGS)


def test_the_defaults_of_the_engines_are_their_own(home):
    assert ttt_settings(load(home)) == TTTSettings()
    assert read_options(load(home)) == ReadOptions()
    assert sampling(load(home)) == Sampling()


def test_every_setting_of_the_engine_can_be_set():
    assert set(TTT_KEYS) == set(TTTSettings.__dataclass_fields__)
    assert set(TTT_KEYS.values()) <= set(BY_KEY)


def test_each_layer_goes_before_the_one_below(home):
    assert (load(home).get(PASSES), load(home).source(PASSES)) == (
        TTTSettings().gradient_steps,
        "default",
    )
    home.profiles.mkdir(parents=True)
    (home.profiles / "mine.yaml").write_text("ttt: {gradient_steps: 2}\n")
    layered = load(home, profile="mine")
    assert (layered.get(PASSES), layered.source(PASSES)) == (2, "profile")
    user_file(home, "ttt:\n  gradient_steps: 3\n")
    layered = load(home, profile="mine")
    assert (layered.get(PASSES), layered.source(PASSES)) == (3, "user")
    variable = {"CL_WORKBENCH__TTT__GRADIENT_STEPS": "4"}
    layered = load(home, profile="mine", **variable)
    assert (layered.get(PASSES), layered.source(PASSES)) == (4, "environment")
    layered = load(home, "ttt.gradient_steps=5", profile="mine", **variable)
    assert (layered.get(PASSES), layered.source(PASSES)) == (5, "--set")


def test_the_last_assignment_counts(home):
    assert load(home, f"{PASSES}=5", f"{PASSES}=6").get(PASSES) == 6


@pytest.mark.parametrize("name", ["fast", "careful"])
def test_shipped_profiles_are_valid(home, name):
    settings = load(home, profile=name)
    assert "profile" in {settings.source(setting.key) for setting in SETTINGS}


def test_a_profile_of_ones_own_hides_the_shipped_one(home):
    home.profiles.mkdir(parents=True)
    (home.profiles / "fast.yaml").write_text("ttt:\n  seed: 9\n")
    assert load(home, profile="fast").get("ttt.seed") == 9


def test_an_unknown_profile_is_named_with_the_nearest(home):
    error = problems(home, profile="fats")
    assert str(error) == "--profile: there is no profile fats; did you mean fast?"
    assert error.wrong_use
    with pytest.raises(EngineError, match="profile name"):
        load(home, profile="../fast")


def test_values_have_the_type_of_their_kind(home):
    settings = load(
        home,
        "ttt.learning_rate=1e-3",
        "ttt.gradient_steps=7",
        "alpha.initial=0.9",
        "alpha.min_value=0",
        "documents.text_fields=body, text",
        "held_out.corpus=/texts/general.txt",
        "generation.seed=null",
        "generation.system_prompt=Be brief: one line = one answer.",
        "model.device=cuda:1",
    )
    assert settings.get("ttt.learning_rate") == 0.001
    assert settings.get("ttt.gradient_steps") == 7
    assert isinstance(settings.get("alpha.min_value"), float)
    assert settings.get("documents.text_fields") == ("body", "text")
    assert settings.get("held_out.corpus") == Path("/texts/general.txt")
    assert settings.get("generation.seed") is None
    assert settings.get("generation.system_prompt") == "Be brief: one line = one answer."
    assert settings.get("model.device") == "cuda:1"


def test_a_relative_path_in_a_file_starts_at_the_file(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = user_file(home, "held_out:\n  corpus: texts\nui:\n  documents_folder: ~/books\n")
    settings = load(home, "tfidf_gate.corpus=here.txt")
    assert settings.get("held_out.corpus") == path.parent / "texts"
    assert settings.get("ui.documents_folder") == Path("~/books").expanduser()
    assert settings.get("tfidf_gate.corpus") == tmp_path / "here.txt"


@pytest.mark.parametrize(
    "assignment",
    [
        "ttt.learning_rate=0",
        "ttt.learning_rate=nan",
        "ttt.learning_rate=inf",
        "ttt.learning_rate=fast",
        "ttt.learning_rate=null",
        "ttt.learning_rate=",
        "ttt.gradient_steps=2.5",
        "ttt.gradient_steps=true",
        "ttt.gradient_steps=-1",
        "alpha.initial=1",
        "ttt.max_tokens_per_document=7",
        "ttt.max_tokens_per_document=-1",
        "model.device=cuda:x",
        "model.device=",
        "model.device_map=both",
        "documents.text_fields=",
        "documents.text_fields=a,,b",
        "model.modified_layers_start=-1",
        "log.level=loud",
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_what_is(home, assignment):
    key, _, _ = assignment.partition("=")
    text = str(problems(home, assignment))
    assert text.startswith(f"--set: {key} can't be ")
    assert BY_KEY[key].allowed in text


@pytest.mark.parametrize(
    "raw", ["'0.001'", "[1]", "{a: 1}", "yes", "true", "2026-01-01", ".inf", "''", "~"]
)
def test_a_number_in_a_file_has_to_be_a_number(home, raw):
    user_file(home, f"ttt:\n  learning_rate: {raw}\n")
    assert "ttt.learning_rate can't be" in str(problems(home))


def test_all_problems_of_all_layers_come_in_one_report(home):
    path = user_file(
        home,
        "ttt:\n  learning_rat: 1\n  gradient_steps: many\nmodle:\n  name: auto\nalpha: 3\n",
    )
    error = problems(
        home, "ttt.sede=1", "nonsense", CL_WORKBENCH__GENERATION__TOP_P="2", CL_WORKBENCH__X="1"
    )
    lines = str(error).splitlines()
    assert lines == [
        f"{path}: there is no setting ttt.learning_rat; did you mean ttt.learning_rate?",
        f"{path}: ttt.gradient_steps can't be 'many': allowed is a whole number from 1 to 1000.",
        f"{path}: there is no setting modle.name; did you mean model.name?",
        f"{path}: alpha is a section: write its settings below it, as `  name: value`.",
        "CL_WORKBENCH__GENERATION__TOP_P: generation.top_p can't be 2: "
        "allowed is a number from 1e-06 to 1.",
        "CL_WORKBENCH__X: there is no setting x; `cl-workbench config show` lists all settings.",
        "--set: 'nonsense' is not of the form key=value.",
        "--set: there is no setting ttt.sede; did you mean ttt.seed?",
    ]
    assert not error.wrong_use
    assert len(error.problems) == len(lines)


def test_settings_that_do_not_fit_together_are_refused_where_they_were_set(home):
    path = user_file(home, "model: {modified_layers_start: 8}\n")
    error = problems(home, "model.modified_layers_end=8")
    assert "--set: model.modified_layers_start (8) has to be below" in str(error)
    error = problems(home, **{"CL_WORKBENCH__ALPHA__INITIAL": "0.1"})
    assert "alpha.min_value (0.5) has to be at most alpha.initial (0.1)" in str(error)
    assert file_problems(path) == []


def test_a_change_that_does_not_fit_the_rest_is_refused_and_not_written(home):
    path = user_file(home, "alpha: {initial: 0.8, min_value: 0.6}\n")
    before = path.read_text()
    settings = load(home)
    for change in (
        lambda: set_in_file(path, "alpha.min_value", "0.9"),
        lambda: settings.set_user("alpha.min_value", 0.9),
        lambda: set_in_file(path, "alpha.initial", "0.5"),
    ):
        with pytest.raises(SettingsError, match=r"has to be at most .* nothing was changed"):
            change()
    assert path.read_text() == before
    assert settings.get("alpha.min_value") == 0.6
    user_file(home, "alpha: {initial: 0.3, min_value: 0.1}\n")
    with pytest.raises(SettingsError, match=r"alpha\.min_value \(0\.5\) has to be at most"):
        unset_in_file(path, "alpha.min_value")
    assert unset_in_file(path, "alpha.initial")
    load(home)


def test_a_change_is_checked_against_the_layers_in_force(home):
    settings = load(home, "alpha.initial=0.6")
    with pytest.raises(SettingsError, match="has to be at most"):
        settings.set_user("alpha.min_value", 0.7)
    assert not home.user_settings.exists()
    settings.set_user("ui.theme", "nord")


def test_settings_that_do_not_fit_can_be_mended(home):
    path = user_file(home, "alpha: {initial: 0.2, min_value: 0.9}\n")
    set_in_file(path, "ttt.seed", "3")
    assert unset_in_file(path, "alpha.initial")
    set_in_file(path, "alpha.min_value", "0.4")
    assert load(home).get("alpha.min_value") == 0.4
    user_file(home, "alpha: {initial: 0.2, min_value: 0.9}\n")
    assert unset_in_file(path, "alpha.min_value")
    assert unset_in_file(path, "alpha")
    load(home)


def test_a_whole_document_is_read_with_0_and_a_few_tokens_are_too_few(home):
    key = "ttt.max_tokens_per_document"
    assert load(home, f"{key}=0").get(key) == 0
    assert load(home, f"{key}=8").get(key) == 8
    assert BY_KEY[key].allowed == "0, or a whole number, 8 or more"


def test_an_unknown_key_is_refused_with_the_nearest(home):
    with pytest.raises(EngineError, match=r"did you mean ttt\.learning_rate\?"):
        load(home).get("ttt.learnig_rate")
    with pytest.raises(EngineError, match=r"did you mean ttt\.learning_rate\?"):
        load(home).source("learning_rate")


def test_a_question_follows_the_system_prompt_if_there_is_one(home):
    assert conversation("Who?", load(home)) == (Turn("user", "Who?"),)
    settings = load(home, "generation.system_prompt=Be brief.")
    assert conversation("Who?", settings) == (Turn("system", "Be brief."), Turn("user", "Who?"))


def test_there_is_an_engine_to_choose():
    assert "ttt" in engine_names()
