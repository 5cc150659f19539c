"""Learning from the command line, with a tiny real model."""

import json
import os
import re
import signal
import threading

import pytest

from cl_workbench import assembly
from cl_workbench.cli import run
from cl_workbench.commands.outcome import REPORTED
from engines.protocol import CheckpointError, Document
from tests.cl_workbench.command_line import TEXT, program, quick, start


def test_learning_prints_one_object_with_what_was_measured(call, mill):
    code, out, err = call("learn", mill, "--json")
    assert code == 0
    record = json.loads(out)
    assert list(record) == ["engine", "model", "seconds", "documents", "failed"]
    (document,) = record["documents"]
    assert tuple(document) == REPORTED
    assert document["id"] == Document.from_text(TEXT).id
    assert (document["title"], document["path"]) == ("The mill at Orr", str(mill))
    assert document["tokens"] == document["tokens_read"] > 50
    assert document["loss_after"] < document["loss_before"]
    assert (record["engine"], record["model"]) == ("ttt", "tiny-llama")
    assert record["failed"] == []
    assert "The mill at Orr" in err


def test_a_document_that_fails_does_not_stop_the_others(call, mill, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "short.txt").write_text("Hi")
    paths = [tmp_path / name for name in ("empty.txt", "picture.png", "short.txt", "mill.md")]
    code, out, _ = call("learn", *paths, tmp_path / "missing.txt", "--json")
    assert code == 1
    record = json.loads(out)
    assert [document["path"] for document in record["documents"]] == [str(mill)]
    failed = {failure["path"]: failure["reason"] for failure in record["failed"]}
    assert set(failed) == {str(path) for path in (*paths[:3], tmp_path / "missing.txt")}
    assert all(reason.endswith(".") for reason in failed.values())


def test_nothing_to_learn_loads_no_model(call, tmp_path):
    code, out, _ = call("learn", tmp_path / "missing.txt", "--json")
    assert code == 1
    assert json.loads(out)["model"] is None


def test_people_get_a_summary(call, mill, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    code, out, err = call("learn", mill, tmp_path / "empty.txt")
    assert code == 1
    assert "The mill at Orr" in out
    assert "Learned 1 of 2 with ttt on tiny-llama" in out
    assert f"Not learned: {tmp_path / 'empty.txt'}" in out
    assert "empty.txt is empty" in err
    assert "\x1b" not in out + err


def test_control_characters_of_titles_and_names_do_not_reach_the_terminal(call, tmp_path):
    evil = tmp_path / "mill\x1b[2J\x9b.md"
    evil.write_text(TEXT.replace("The mill", "The \x1b[31m\x9bmill", 1))
    (tmp_path / "empty\x1b[2J.txt").write_text("")
    for options in ([], ["--dry-run"], ["--json"]):
        _, out, err = call("learn", *sorted(tmp_path.glob("*\x1b*")), *options)
        assert "mill" in out
        assert not set("\x1b\x9b") & set(out + err)


def test_notes_on_a_document_are_told(call, mill):
    limit = ["--set", "ttt.max_tokens_per_document=40"]
    code, out, err = call("learn", mill, *limit, "--json")
    assert code == 0
    (note,) = json.loads(out)["documents"][0]["notes"]
    assert "40 of" in note
    assert f"The mill at Orr: {note}\n" in err


def test_what_was_learned_is_told_although_it_could_not_be_saved(call, mill, monkeypatch):
    build = assembly.build_engine

    def without_room(name, host, settings):
        engine = build(name, host, settings)

        def save(folder):
            raise CheckpointError("The disk is full: make room.")

        engine.save = save
        return engine

    monkeypatch.setattr(assembly, "build_engine", without_room)
    code, out, err = call("learn", mill, "--save", "mill", "--json")
    assert code == 1
    record = json.loads(out)
    assert record["save_error"] == "The disk is full: make room."
    assert len(record["documents"]) == 1
    code, out, err = call("learn", mill, "--save", "mill")
    assert code == 1
    assert "but not saved" in out
    assert "Not saved: The disk is full: make room." in err


def test_a_checkpoint_that_is_not_there_is_told_before_the_model_loads(call, mill):
    for arguments in (["ask", "Who?"], ["learn", str(mill)]):
        code, out, err = call(*arguments, "--load", "mll")
        assert (code, out) == (1, "")
        assert "There is no checkpoint 'mll'" in err
        assert "loading" not in err


def test_a_place_that_can_not_be_written_is_told_before_the_model_loads(call, mill, home):
    home.mkdir()
    (home / "checkpoints").write_text("")
    code, _, err = call("learn", mill, "--save", "mill")
    assert code == 1
    assert "--home" in err
    assert "loading" not in err


def test_an_engine_that_breaks_on_one_document_goes_on_with_the_next(
    call, mill, tmp_path, monkeypatch
):
    (tmp_path / "other.md").write_text(TEXT.replace("Orr", "Ull"))
    build = assembly.build_engine

    def fragile(name, host, settings):
        engine = build(name, host, settings)
        learn = engine.learn

        def breaking(document):
            if "Orr" in document.text:
                raise RuntimeError("out of something")
            yield from learn(document)

        engine.learn = breaking
        return engine

    monkeypatch.setattr(assembly, "build_engine", fragile)
    code, out, _ = call("learn", mill, tmp_path / "other.md", "--json")
    record = json.loads(out)
    assert code == 1
    assert [document["title"] for document in record["documents"]] == ["The mill at Ull"]
    assert "(RuntimeError); see the log" in record["failed"][0]["reason"]


def test_standard_input_is_a_document_and_stdout_holds_json_alone(home, model):
    done = program(*quick(model), "learn", "-", "--json", text=TEXT)
    assert done.returncode == 0, done.stderr
    (document,) = json.loads(done.stdout)["documents"]
    assert (document["title"], document["path"]) == ("The mill at Orr", None)


def test_noise_on_descriptor_1_stays_out_of_the_json(home, model, mill, capfd, monkeypatch):
    build = assembly.build_host

    def noisy(settings, report):
        print("a library says hello")
        return build(settings, report)

    monkeypatch.setattr(assembly, "build_host", noisy)
    assert run([*quick(model), "learn", str(mill), "--json"]) == 0
    captured = capfd.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert "a library says hello" in captured.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_with_130_and_saves_nothing_half_learned(home, model, mill, number):
    mill.write_text(TEXT * 20)
    slow = ["--set", "ttt.gradient_steps=1000", "--set", "ttt.mini_batch_size=32"]
    process = start(*quick(model), *slow, "learn", str(mill), "--save", "mill", "--json")
    for line in process.stderr:
        if "learning" in line:
            process.send_signal(number)
            break
    out, err = process.communicate()
    assert process.returncode == 130, err
    record = json.loads(out)
    assert record["documents"] == []
    assert record["failed"][0]["path"] == str(mill)
    assert not (home / "checkpoints" / "mill").exists()


def test_documents_learned_before_an_interruption_are_saved(call, mill, tmp_path, home, capsys):
    other = tmp_path / "other.md"
    other.write_text(TEXT.replace("Orr", "Ull"))
    build = assembly.build_engine

    def interrupted_at_ull(name, host, settings):
        engine = build(name, host, settings)
        learn = engine.learn

        def learning(document):
            for event in learn(document):
                if "Ull" in document.text:
                    os.kill(os.getpid(), signal.SIGINT)
                yield event

        engine.learn = learning
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "build_engine", interrupted_at_ull)
        code, out, err = call("learn", mill, other, "--save", "kept", "--json")
    assert code == 130
    record = json.loads(out)
    assert [document["title"] for document in record["documents"]] == ["The mill at Orr"]
    assert record["failed"] == [
        {"path": str(other), "reason": "It was interrupted before it was learned."}
    ]
    assert "Stopping at the next batch" in err
    assert call("ask", "Who?", "--load", "kept", "--json")[0] == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert threading.current_thread() is threading.main_thread()


def test_the_demonstration_learns_asks_and_forgets_without_a_terminal(home, model):
    done = program(*quick(model))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("No terminal is attached")
    (losses,) = [line for line in lines if line.startswith("Loss of the paragraph")]
    before, after, forgotten = map(float, re.findall(r"\d+\.\d+", losses))
    assert after < before == forgotten
    assert any(line.startswith("Loss of general text") for line in lines)
    told = [line.split(":", 1) for line in lines if line.startswith("  ")]
    answers = [(label.strip(), answer.strip()) for label, answer in told]
    assert len(answers) == 12
    for sentence in zip(*[iter(answers)] * 4, strict=True):
        values = dict(sentence)
        assert values["in the document"] in {"Marit Oswin", "Old Temperance", "smoked eel"}
        assert values["before learning"] == values["after forgetting"]
    assert "0 of 3 before learning" in lines[-2]
    assert lines[-2].endswith("0 of 3 after forgetting.")
