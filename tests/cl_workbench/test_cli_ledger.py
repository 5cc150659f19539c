"""The ledger of a checkpoint, overlap, recall and knock-outs from the command line."""

import json

import pytest

from cl_workbench.commands.which import which_document
from engines.protocol import Document, EngineError
from tests.cl_workbench.test_import_rules import imported
from tests.cl_workbench.word_engine import Ways, WordEngine
from tests.cl_workbench.word_program import KILN, MILL, PIER, caller, use_words

IDS = [Document.from_text(text).id for text in (MILL, PIER, KILN)]


@pytest.fixture
def ways():
    return Ways()


@pytest.fixture
def call(capsys, monkeypatch, ways):
    use_words(monkeypatch, ways)
    return caller(capsys)


@pytest.fixture
def files(tmp_path):
    named = {"mill.md": MILL, "pier.md": PIER, "kiln.md": KILN}
    for name, text in named.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in named]


@pytest.fixture
def learned(call, files):
    """A checkpoint ``three`` that holds the three documents."""
    assert call("learn", *files, "--save", "three")[0] == 0
    return files


def ledger(call, *arguments):
    code, out, err = call("ledger", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def titles(record):
    return [document["title"] for document in record["documents"]]


def test_the_ledger_lists_what_was_learned(call, learned):
    code, out, _ = call("ledger", "three")
    assert code == 0
    assert f"  1  The mill at Orr  {IDS[0]}\n" in out
    assert "loss 3.00 to 1.00, held-out +0.4 %" in out
    assert "moved when it was learned: The pier" in out
    assert "three: 3 documents, " in out
    record = ledger(call, "three")
    assert (record["name"], record["engine"], record["model"]) == ("three", "ttt", "words")
    assert [document["id"] for document in record["documents"]] == IDS
    assert all(document["bytes"] > 0 and not document["muted"] for document in record["documents"])


def test_listing_loads_no_model_library(call, learned):
    statement = "from cl_workbench.cli import run; assert run(['ledger', 'three']) == 0"
    assert imported(statement).isdisjoint({"torch", "transformers", "textual"})


def test_a_muted_document_is_kept_and_counts_again_when_unmuted(call, learned):
    code, out, _ = call("ledger", "three", "mute", "the PIER")
    assert code == 0
    assert f"Muted The pier ({IDS[1]})" in out
    assert f"  2  The pier  {IDS[1]}  muted\n" in out
    _, answer, _ = call("ask", "What?", "--load", "three")
    assert answer == "at 0.5 from The mill at Orr and The kiln\n"
    record = ledger(call, "three", "unmute", IDS[1][:5])
    assert not any(document["muted"] for document in record["documents"])


def test_moving_counts_positions_from_1(call, learned):
    moved = ["The kiln", "The mill at Orr", "The pier"]
    assert titles(ledger(call, "three", "move", "the kiln", "1")) == moved
    assert "Moved The mill at Orr" in call("ledger", "three", "move", "The mill at Orr", "3")[1]
    code, _, err = call("ledger", "three", "move", "the kiln", "4")
    assert code == 1
    assert "three has 3 documents: give a position from 1 to 3." in err


def test_forgetting_says_what_is_undone_and_recall_measures_what_remains(call, learned):
    mill, _, kiln = learned
    code, out, _ = call("ledger", "three", "forget", "The kiln")
    assert code == 0
    assert "the weights are as they were before it" in out
    code, out, _ = call("ledger", "three", "forget", "The mill at Orr", "--save", "less")
    assert f"`cl-workbench recall {mill} --load less` measures what remains" in out
    assert titles(ledger(call, "three")) == ["The mill at Orr", "The pier"]
    assert titles(ledger(call, "less")) == ["The pier"]

    record = json.loads(call("recall", mill, kiln, "--load", "less", "--json")[1])
    remains = {document["title"]: document for document in record["documents"]}
    assert not any(document["learned"] for document in record["documents"])
    assert 0 < remains["The mill at Orr"]["share"] < 0.5
    with_it = json.loads(call("recall", mill, "--load", "three", "--json")[1])["documents"][0]
    assert with_it["learned"]
    assert with_it["share"] == pytest.approx(0.5)
    assert with_it["loss"] == pytest.approx(with_it["base_loss"] / 2)


def test_recall_is_told_in_a_line_each(call, learned, tmp_path):
    code, out, err = call("recall", learned[0], tmp_path / "missing.md", "--load", "three")
    assert code == 1
    told = "NLL 3.00 as the base model, 1.50 now (-50.0 %)"
    assert f"The mill at Orr ({IDS[0]}), in the ledger: 15 tokens, {told}\n" in out
    assert "There is no file" in err
    assert "3.00 now (+0.0 %)" in call("recall", learned[0])[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["mute"], "Say which document: cl-workbench ledger NAME mute DOCUMENT."),
        (["move", "x"], "Say where to: cl-workbench ledger NAME move DOCUMENT POSITION."),
        (["mute", "x", "2"], "Only move takes a POSITION."),
        (["list", "x"], "list takes no DOCUMENT"),
        (["list", "--save", "y"], "list takes no DOCUMENT and no --save"),
        (["remove"], "'remove' is not one of"),
    ],
)
def test_wrong_use_of_the_ledger_says_what_is_right(call, learned, arguments, told):
    code, out, err = call("ledger", "three", *arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_an_unknown_document_is_answered_with_those_there_are(call, learned):
    code, _, err = call("ledger", "three", "forget", "The peer")
    assert code == 1
    assert "No learned document is 'The peer': did you mean 'The pier'? There are" in err
    assert all(number in err for number in IDS)
    assert "starting" not in err


def test_a_checkpoint_that_is_not_there_or_no_ledger_is_one_sentence(call, learned, own_home):
    assert "There is no checkpoint 'tree'" in call("ledger", "tree")[2]
    manifest = own_home / "workbench" / "checkpoints" / "three" / "manifest.json"
    record = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**record, "documents": [{"title": "x"}]}))
    code, out, err = call("ledger", "three")
    assert (code, out) == (1, "")
    assert "The checkpoint 'three' is damaged: learn its documents again and save." in err


class Named:
    def __init__(self, number, title):
        self.id = number
        self.title = title


def test_documents_are_named_by_id_by_its_beginning_or_by_title():
    ash, ace = Named("abc111", "Ash"), Named("abd222", "abc")
    assert which_document("ABC1", [ash, ace]) is ash
    assert which_document(" ash ", [ash, ace]) is ash
    assert which_document("abc", [ash, ace]) is ace  # a whole title goes before a beginning
    with pytest.raises(EngineError, match=r"'ab' is more than one document: Ash \(abc111\), abc"):
        which_document("ab", [ash, ace])
    with pytest.raises(EngineError, match="No document was learned"):
        which_document("ash", [])
    many = [Named(f"{number:06}", f"Text {number}") for number in range(20)]
    with pytest.raises(EngineError, match="and 12 more"):
        which_document("zebra", many)


def test_overlap_is_told_before_learning(call, learned, tmp_path):
    new = tmp_path / "new.md"
    new.write_text("# New\n\nThe pier is made of elm, and nine boats lie at it.")
    code, out, _ = call("overlap", new, "--load", "three")
    assert code == 0
    assert out.startswith(f"New ({Document.from_path(new).id}): would move The pier 100 %, The ")
    record = json.loads(call("overlap", new, "--load", "three", "--json")[1])
    assert [o["document_id"] for o in record["documents"][0]["overlaps"]] == IDS
    _, dry, _ = call("learn", new, "--dry-run", "--load", "three")
    assert "  would move The pier 100 %" in dry
    record = json.loads(call("learn", new, "--dry-run", "--load", "three", "--json")[1])
    assert record["would_learn"][0]["overlaps"][1]["share"] == 1
    assert "Missing option '--load'" in call("overlap", new)[2]


def test_saving_under_another_name_replaces_no_other_checkpoint(call, learned):
    assert call("ledger", "three", "forget", "The kiln", "--save", "less")[0] == 0
    code, _, err = call("ledger", "three", "mute", "The pier", "--save", "less")
    assert code == 1
    assert "There is a checkpoint 'less' already: choose another name for --save" in err
    record = ledger(call, "less")
    assert titles(record) == ["The mill at Orr", "The pier"]
    assert not any(document["muted"] for document in record["documents"])
    assert call("ledger", "three", "mute", "The pier", "--save", "three")[0] == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"tokens": None},
        {"tokens": "many"},
        {"loss_after": "low"},
        {"loss_before": 10**400},
        {"held_out_loss_before": []},
        {"title": 3},
        {"bytes": 10**400},
        {"overlaps": [{"document_id": "x", "title": "y", "share": None}]},
    ],
)
def test_a_ledger_of_wrong_types_is_one_sentence(call, learned, own_home, odd):
    manifest = own_home / "workbench" / "checkpoints" / "three" / "manifest.json"
    record = json.loads(manifest.read_text())
    record["documents"][0] |= odd
    manifest.write_text(json.dumps(record))
    code, out, err = call("ledger", "three")
    assert (code, out) == (1, "")
    assert "The checkpoint 'three' is damaged: learn its documents again and save." in err


@pytest.mark.parametrize("command", [["overlap"], ["learn", "--dry-run"]])
def test_one_document_that_is_too_short_keeps_the_others(call, learned, monkeypatch, command):
    overlaps = WordEngine.overlaps

    def wanting_more(engine, document):
        if document.title == "The pier":
            raise EngineError("It is too short.")
        return overlaps(engine, document)

    monkeypatch.setattr(WordEngine, "overlaps", wanting_more)
    code, out, err = call(*command, *learned, "--load", "three")
    assert code == 1
    assert f"{learned[1]}: It is too short." in err
    assert "The mill at Orr" in out
    assert "The kiln" in out
    record = json.loads(call(*command, *learned, "--load", "three", "--json")[1])
    assert record["failed"] == [{"path": str(learned[1]), "reason": "It is too short."}]
    assert titles({"documents": record.get("documents") or record["would_learn"]}) == [
        "The mill at Orr",
        "The kiln",
    ]
