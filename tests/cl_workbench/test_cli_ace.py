"""Learning, asking and rating with ACE from the command line, its roles on a scripted server."""

import json
import os
import signal

import pytest

from cl_workbench.cli import run
from engines import embedded
from engines.ace import files
from engines.ace.operations import Add
from engines.ace.review import offer
from tests.cl_workbench.role_server import MODEL, role_server
from tests.engines.ace.scripted_roles import add, answers, curates, prompt
from tests.engines.language_models.llama_cpp import llama_cpp

RULE = "Read the numbers in the text twice."


def curious(request):
    """A Generator that is right as soon as the playbook has a bullet."""
    known = RULE in prompt(request)
    return answers("Hanne Lund" if known else "no idea")(request)


@pytest.fixture
def qa(tmp_path):
    path = tmp_path / "qa.jsonl"
    asked = [("Who built the mill?", "Hanne Lund"), ("Whose mill is it?", "Hanne Lund")]
    rows = [json.dumps({"question": q, "answer": a}) for q, a in asked]
    path.write_text("\n".join(rows))
    return path


@pytest.fixture
def server():
    with role_server(generator=curious, curator=curates(add(RULE))) as served:
        yield served


@pytest.fixture
def call(capsys, home, server):
    def call_program(*arguments):
        code = run([*server.options, *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call_program


def add_by_hand(home, text):
    """Another program changes the playbook."""
    changed = offer(saved(home), [Add("formulas", text)], origin="person").history
    files.save(home / "playbooks", "orr", changed)


def saved(home, name="orr"):
    return files.load(home / "playbooks", name)


def test_learning_by_questions_makes_a_playbook_and_tells_every_figure(call, mill, qa, home):
    learn = ["learn", mill, "--engine", "ace", "--qa", qa, "--loops", "2", "--playbook", "orr"]
    code, out, err = call(*learn, "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["model"] == MODEL
    assert record["documents"][0]["study_items"] == 2
    told = record["playbook"]
    assert (told["name"], told["bullets"], told["waiting"]) == ("orr", 1, 0)
    assert told["path"] == str(home / "playbooks" / "orr.json")
    (lesson,) = told["lessons"]
    assert lesson["right"] == [0.5, 1.0]
    assert lesson["questions"] == 2
    assert lesson["whole"]
    assert told["accepted"] == lesson["accepted"] == 1
    assert told["refused"] == 3  # the same rule again
    assert told["tokens"] > 100
    assert told["skipped"] == 0
    assert [bullet.text for bullet in saved(home).playbook.bullets] == [RULE]
    assert told["revision"] == saved(home).head.number


def test_people_see_what_was_learned_and_where_to_look(call, mill, qa):
    learn = ["learn", mill, "--engine", "ace", "--qa", qa, "--loops", "2", "--playbook", "orr"]
    code, out, err = call(*learn)
    assert code == 0
    assert "The mill at Orr: right answers by loop 50 % → 100 % of 2 questions" in out
    assert "Playbook: 1 bullet in orr; operations: 1 accepted, 3 refused, 0 held; " in out
    assert "See it with `cl-workbench playbook show orr`." in out
    assert "loop 1 of 2, question 1 of 2" in err
    assert "generator" in err


def test_validation_is_told_from_before_to_after(call, mill, qa):
    with qa.open("a") as stream:
        stream.write('\n{"question": "Who is the builder?", "answer": "Hanne Lund"}')
    code, out, _ = call("learn", mill, "--engine", "ace", "--qa", qa, "--loops", "1")
    assert code == 0
    assert "validation 0 % → 100 % of 1 kept apart" in out
    assert "With --playbook NAME it is kept" in out


def test_a_second_learn_goes_on_from_the_playbook(call, mill, qa, home):
    first = ["learn", mill, "--qa", qa, "--loops", "1", "--playbook", "orr"]
    assert call(*first)[0] == 0  # a playbook belongs to ace
    revision = saved(home).head.number
    code, out, _ = call("learn", "--qa", qa, "--playbook", "orr", "--loops", "1", "--json")
    assert code == 0
    record = json.loads(out)
    assert record["documents"] == []
    assert record["playbook"]["lessons"][0]["right"] == [1.0]
    assert record["playbook"]["lessons"][0]["title"] == "qa.jsonl"
    assert saved(home).head.number > revision


def test_practice_without_a_document_needs_no_path(call, qa, home):
    code, out, err = call("learn", "--engine", "ace", "--qa", qa, "--loops", "1", "--save", "cp")
    assert code == 0, err
    assert f"Practised on questions alone with ace on {MODEL}" in out
    assert "saved as cp" in out
    assert (home / "checkpoints" / "cp" / "manifest.json").is_file()


def test_questions_that_were_left_out_are_told(call, mill, qa):
    with qa.open("a") as stream:
        stream.write('\n{"question": "Cut')
    learn = ["learn", "--engine", "ace", "--qa", qa, "--loops", "1"]
    code, out, err = call(*learn, mill, "--json")
    assert code == 0
    (note,) = json.loads(out)["documents"][0]["notes"]
    assert "line 3" in note
    assert note in err
    code, _, err = call(*learn)
    assert (code, note in err) == (0, True)


def test_forgetting_says_which_bullets_went_with_the_document(call, mill, qa):
    learn = ["learn", mill, "--engine", "ace", "--qa", qa, "--loops", "1", "--save", "cp"]
    assert call(*learn)[0] == 0
    code, out, _ = call("ledger", "cp", "forget", "The mill at Orr")
    assert code == 0
    assert "its passages are gone, and 1 bullet of the playbook that rested on it alone." in out


def test_held_operations_wait_until_a_person_accepts_them(call, mill, qa, home):
    learn = ["learn", mill, "--engine", "ace", "--qa", qa, "--loops", "1"]
    code, out, _ = call(*learn, "--review", "hold", "--playbook", "orr")
    assert code == 0
    assert "`cl-workbench playbook review orr` shows what." in out
    assert saved(home).playbook.bullets == ()
    code, out, _ = call("playbook", "review", "orr")
    assert f"1  ADD to strategies: {RULE}" in out
    assert call("playbook", "review", "orr", "--accept", "all")[0] == 0
    assert [bullet.text for bullet in saved(home).playbook.bullets] == [RULE]


@pytest.mark.parametrize("ending", ["md", "json"])
def test_everything_the_roles_said_can_be_written(call, mill, qa, tmp_path, ending):
    trace = tmp_path / f"trace.{ending}"
    learn = ["learn", mill, "--engine", "ace", "--qa", qa, "--loops", "1", "--trace", trace]
    code, out, _ = call(*learn)
    assert code == 0
    assert f"What the roles said is in {trace}." in out
    text = trace.read_text()
    assert RULE in text
    assert "Look at the units first." in text
    if ending == "json":
        assert len([one for one in json.loads(text)["entries"] if "turn" in one]) == 6
    code, _, err = call(*learn)
    assert code == 1
    assert f"{trace} exists: remove it or give --trace another name." in err


def test_the_traces_of_several_documents_are_one_file(call, mill, tmp_path):
    other = tmp_path / "other.md"
    other.write_text(mill.read_text().replace("Orr", "Ull"))
    trace = tmp_path / "t.json"
    quiet = ["--set", "ace.written_questions=0"]
    assert call("learn", mill, other, "--engine", "ace", "--trace", trace, *quiet)[0] == 0
    assert [one["title"] for one in json.loads(trace.read_text())] == [
        "The mill at Orr",
        "The mill at Ull",
    ]


def test_an_interruption_keeps_what_was_learned_so_far(call, mill, qa, home, server, tmp_path):
    def interrupting(request):
        if len(server.roles.of("generator")) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return curious(request)

    server.roles.rules["generator"] = interrupting
    trace = tmp_path / "trace.md"
    learn = ["learn", mill, "--engine", "ace", "--qa", qa, "--playbook", "orr", "--trace", trace]
    code, out, _ = call(*learn, "--json")
    assert code == 130
    record = json.loads(out)
    assert record["documents"] == []
    assert not record["playbook"]["lessons"][0]["whole"]
    assert [bullet.text for bullet in saved(home).playbook.bullets] == [RULE]
    assert RULE in trace.read_text()


def test_changes_by_another_program_are_not_lost_and_told(call, mill, qa, home, server):
    assert call("learn", mill, "--qa", qa, "--playbook", "orr", "--loops", "1")[0] == 0

    def meddling(request):
        if len(server.roles.of("generator")) == 3:
            add_by_hand(home, "Water is wet.")
        return curious(request)

    server.roles.rules["generator"] = meddling
    server.roles.rules["curator"] = curates(add("Count the sacks again at dusk."))
    code, out, err = call("learn", "--qa", qa, "--playbook", "orr", "--loops", "1")
    assert code == 1
    assert "has changes that this one has not" in err
    assert "It was saved as orr-2." in err
    assert "`cl-workbench playbook show orr-2`" in out
    assert "Water is wet." in [bullet.text for bullet in saved(home).playbook.bullets]
    mine = [bullet.text for bullet in saved(home, "orr-2").playbook.bullets]
    assert mine == [RULE, "Count the sacks again at dusk."]


def test_a_server_that_fails_makes_no_playbook(call, mill, qa, home, server):
    server.roles.rules |= dict.fromkeys(server.roles.rules, lambda request: 500)
    code, out, _ = call("learn", mill, "--qa", qa, "--playbook", "orr", "--json")
    assert code == 1
    assert "it broke" in json.loads(out)["failed"][0]["reason"]
    assert not (home / "playbooks" / "orr.json").exists()


def test_skipped_turns_are_counted(call, mill, qa, server):
    server.roles.rules["curator"] = lambda request: "I would rather not."
    learn = ["learn", mill, "--engine", "ace", "--qa", qa, "--loops", "1"]
    code, out, err = call(*learn)
    assert code == 0
    assert "2 role turns skipped as unusable" in out
    told = [line for line in err.splitlines() if "no JSON object" in line]
    assert len(told) == 1  # each sentence once


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--qa", "QA"], "--qa is for the engine ace, not for ttt: add --engine ace"),
        (["--loops", "2"], "--loops is for the engine ace, not for ttt"),
        (["--review", "hold"], "--review is for the engine ace, not for ttt"),
        (["--trace", "t.md", "--engine", "jitrl-mvp"], "--trace is for the engine ace"),
        (["--playbook", "p", "--engine", "ttt"], "--playbook is for the engine ace"),
        (["--engine", "ace", "--loops", "0"], "0 is not in the range"),
        (["--engine", "ace", "--trace", "t.txt"], "let --trace end in .md or .json"),
        (["--engine", "ace", "--playbook", "../x"], "can't be a playbook name"),
        (["--engine", "ace", "--items", "QA"], "studies no items: leave out --items"),
    ],
)
def test_wrong_use_says_what_is_right(call, mill, qa, arguments, told):
    given = [qa if argument == "QA" else argument for argument in arguments]
    code, out, err = call("learn", mill, *given)
    assert code in {1, 2}
    assert out == ""
    assert told in err


def test_neither_a_document_nor_questions_is_wrong_use(call):
    code, out, err = call("learn", "--engine", "ace")
    assert (code, out) == (2, "")
    assert "Missing argument 'PATH...'" in err


def test_questions_go_with_one_document(call, mill, qa, tmp_path):
    (tmp_path / "other.md").write_text("# Other\n\nAnother mill stands at Ull.")
    code, _, err = call("learn", mill, tmp_path / "other.md", "--engine", "ace", "--qa", qa)
    assert code == 2
    assert "--qa goes with one document, and 2 were read: name one PATH." in err


@pytest.mark.parametrize("content", [b"", b"\x00\xff\x00", b"{}\n", b"not json", b"[1]\n"])
def test_questions_that_can_not_be_read_are_one_sentence(call, mill, tmp_path, content):
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(content)
    code, out, err = call("learn", mill, "--engine", "ace", "--qa", bad)
    assert (code, out) == (1, "")
    assert "bad.jsonl" in err.splitlines()[-1]


def test_a_damaged_playbook_is_told_before_the_server_is_asked(call, mill, home, server):
    (home / "playbooks").mkdir(parents=True)
    (home / "playbooks" / "orr.json").write_text('{"format": "cl-workbench playbook"')
    for command in (["learn", mill], ["ask", "Who?"], ["rate", "up", "Who?"]):
        code, out, err = call(*command, "--playbook", "orr")
        assert (code, out) == (1, "")
        assert "The playbook 'orr' is damaged" in err
    assert server.script.seen == []


def test_a_dry_run_counts_the_questions(call, mill, qa):
    dry = ["--engine", "ace", "--qa", qa, "--dry-run"]
    assert "2 questions" in call("learn", mill, *dry)[1]
    assert "2 questions would be practised on." in call("learn", *dry)[1]
    assert json.loads(call("learn", *dry, "--json")[1])["would_practise_on"] == 2


@pytest.fixture
def kept(home, tmp_path, capsys):
    """A playbook ``orr`` of one bullet."""
    (tmp_path / "rules.md").write_text(f"## strategies\n- {RULE}\n")
    assert run(["playbook", "import", str(tmp_path / "rules.md"), "orr"]) == 0
    capsys.readouterr()


def test_asking_shows_the_playbook_to_the_model(call, kept, server):
    code, out, _ = call("ask", "Who built it?", "--playbook", "orr", "--json")
    assert code == 0
    record = json.loads(out)
    assert (record["engine"], record["answer"]) == ("ace", "A plain answer.")
    assert RULE in prompt(server.roles.of("answer")[0])
    assert call("ask", "Who built it?", "--engine", "ace")[0] == 0
    assert RULE not in prompt(server.roles.of("answer")[1])


def test_asking_with_a_checkpoint_too_takes_its_documents_and_the_playbook(
    call, kept, mill, server
):
    none = ["--set", "ace.written_questions=0"]
    assert call("learn", mill, "--engine", "ace", "--save", "docs", *none)[0] == 0
    ask = ["ask", "Who built the mill at Orr?", "--load", "docs", "--playbook", "orr"]
    assert call(*ask)[0] == 0
    shown = prompt(server.roles.of("answer")[0])
    assert RULE in shown
    assert "Hanne Lund" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--playbook", "orr", "--base"], "--base is the model with no playbook"),
        (["--playbook", "orr", "--engine", "ttt"], "--playbook is for the engine ace"),
    ],
)
def test_a_playbook_that_no_one_would_look_at_is_wrong_use(call, kept, arguments, told):
    code, _, err = call("ask", "Who?", *arguments)
    assert code == 2
    assert told in err


def test_an_unknown_playbook_says_how_to_see_those_there_are(call):
    for command in (["ask", "Who?"], ["rate", "down", "Who?"]):
        code, _, err = call(*command, "--playbook", "nowhere")
        assert code == 1
        assert "There is no playbook 'nowhere': `cl-workbench playbook list`" in err


def test_a_verdict_with_a_correction_patches_the_playbook(call, kept, home, server):
    said = "Name the builder in full."
    server.roles.rules["curator"] = curates(add(said))
    rate = ["rate", "down", "Who built it?", "--playbook", "orr", "--correction", "Hanne Lund"]
    code, out, err = call(*rate)
    assert code == 0, err
    assert out.startswith("before: A plain answer.\n")
    assert "Rated down: 1 operation applied to the playbook, which has 2 bullets now" in out
    assert "saved as orr." in out
    assert out.endswith("after:  A plain answer.\n")
    assert said in [bullet.text for bullet in saved(home).playbook.bullets]
    assert "They would have liked to read: Hanne Lund" in server.shown_to("reflector")[0]
    assert said in prompt(server.roles.of("answer")[1])


def test_a_verdict_on_a_checkpoint_is_saved_in_it(call, mill, home, server):
    none = ["--set", "ace.written_questions=0"]
    assert call("learn", mill, "--engine", "ace", "--save", "docs", *none)[0] == 0
    code, out, _ = call("rate", "up", "Who built it?", "--load", "docs", "--json")
    assert code == 0
    record = json.loads(out)
    assert (record["saved"], record["feedback"]["entries"]) == ("docs", 1)
    assert call("ask", "Who?", "--load", "docs")[0] == 0
    assert RULE in prompt(server.roles.of("answer")[-1])
    for arguments in (["undo"], ["list"]):
        code, _, err = call("rate", *arguments, "--load", "docs")
        assert code == 1
        assert "`cl-workbench playbook log NAME`" in err


def test_a_playbook_beside_a_checkpoint_is_what_changes(call, kept, mill, home, server):
    none = ["--set", "ace.written_questions=0"]
    assert call("learn", mill, "--engine", "ace", "--save", "docs", *none)[0] == 0
    before = (home / "checkpoints" / "docs" / "manifest.json").read_bytes()
    server.roles.rules["curator"] = curates(add("Name the builder in full."))
    rate = ["rate", "up", "Who built it?", "--load", "docs", "--playbook", "orr"]
    assert call(*rate)[0] == 0
    assert len(saved(home).playbook.bullets) == 2
    assert (home / "checkpoints" / "docs" / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Missing option '--load' or '--playbook'"),
        (["--playbook", "orr", "--save", "x"], "--save names a checkpoint"),
        (["--playbook", "orr", "--correction", " "], "The correction is empty"),
        (["--playbook", "orr", "--engine", "jitrl-full"], "--playbook is for the engine ace"),
    ],
)
def test_wrong_use_of_rate_says_what_is_right(call, kept, arguments, told):
    code, _, err = call("rate", "up", "Who?", *arguments)
    assert code == 2
    assert told in err


def test_a_missing_model_is_told_with_what_to_run(call, home):
    code, _, err = call("ask", "Who?", "--engine", "ace", "--set", "server.model=qwen3.5:9b")
    assert code == 1
    assert "ollama pull qwen3.5:9b" in err


@pytest.mark.embedded
def test_a_real_server_takes_the_roles(capsys, home, mill, tmp_path):
    gguf = embedded.find_or_fetch(tmp_path / "gguf", lambda text, fraction: None)
    qa = tmp_path / "one.jsonl"
    qa.write_text('{"question": "What is the wheel made of?", "answer": "elm"}')
    small = {
        "server.dialect": "openai", "ace.reflector_rounds": 1, "ace.retries": 0,
        "ace.generator_tokens": 96, "ace.reflector_tokens": 96, "ace.curator_tokens": 96,
    }  # fmt: skip
    with llama_cpp(gguf) as address:
        options = [f"{key}={value}" for key, value in (small | {"server.address": address}).items()]
        given = [part for option in options for part in ("--set", option)]
        learn = ["learn", str(mill), "--qa", str(qa), "--loops", "1", "--playbook", "orr"]
        assert run([*given, *learn, "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["playbook"]["lessons"][0]["questions"] == 1
        assert record["playbook"]["tokens"] > 100
        assert run([*given, "servers", "check", address]) == 0
        assert "llama.cpp" in capsys.readouterr().out
        assert run([*given, "ask", "What is made of elm?", "--playbook", "orr"]) == 0
        assert capsys.readouterr().out.strip()
    assert saved(home).head.number >= 0
