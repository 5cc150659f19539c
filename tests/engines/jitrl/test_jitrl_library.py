from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.jitrl.chunks import Chunk
from engines.jitrl.library import Library
from engines.jitrl.settings import PassageSettings
from engines.protocol import Document, EngineError, Passage
from tests.engines.tiny import TEXT, tiny_tokenizer

SETTINGS = PassageSettings(chunk_tokens=96, overlap_tokens=16)
LIGHTHOUSE = Document.from_text(TEXT)
GARDEN = Document.from_text("The turnips grow behind the wall. Été: 灯台 🙂.", "The garden")


def library(*documents: Document) -> Library:
    made = Library(tiny_tokenizer(), SETTINGS)
    for one in documents:
        made.add(one.id, one.title, one.text, list(made.cutting(one)))
    return made


def ids_of(passages: tuple[Passage, ...]) -> set[str]:
    return {passage.document_id for passage in passages}


def test_a_question_finds_the_passage_with_its_place() -> None:
    made = library(LIGHTHOUSE, GARDEN)
    best = made.search("Which fruit did the harbour master send?")[0]
    assert "oranges" in best.text
    assert best.text == TEXT[best.start : best.end]
    assert (best.document_id, best.title) == (LIGHTHOUSE.id, LIGHTHOUSE.title)
    assert best == made.search("Which fruit did the harbour master send?", top_k=1)[0]
    assert 1 <= best.number <= len(made.passages(LIGHTHOUSE.id))


def test_a_title_is_looked_up_too() -> None:
    assert library(LIGHTHOUSE, GARDEN).search("garden")[0].document_id == GARDEN.id


def test_left_out_and_removed_documents_are_not_found() -> None:
    made = library(LIGHTHOUSE, GARDEN)
    assert GARDEN.id in ids_of(made.search("turnips"))
    assert GARDEN.id not in ids_of(made.search("turnips", leaving_out=[GARDEN.id]))
    made.remove(GARDEN.id)
    assert GARDEN.id not in ids_of(made.search("turnips"))
    assert GARDEN.id not in made
    assert LIGHTHOUSE.id in made


def test_adding_the_same_id_again_replaces_it() -> None:
    made = library(LIGHTHOUSE)
    made.add(LIGHTHOUSE.id, "Other", "Only turnips.", [Chunk(0, 13, 3)])
    assert [p.text for p in made.passages(LIGHTHOUSE.id)] == ["Only turnips."]
    assert made.search("oranges") == ()
    assert len(made) == 1


def test_a_refused_document_changes_nothing() -> None:
    made = library(GARDEN)
    before = made.passages(GARDEN.id)
    with pytest.raises(ValueError, match="no part of a text"):
        made.add(GARDEN.id, "Other", "Only turnips.", [Chunk(0, 5, 1), Chunk(9, 99, 1)])
    assert made.passages(GARDEN.id) == before
    assert made.search("garden")


def test_a_saved_document_comes_back_as_it_was(tmp_path: Path) -> None:
    made, other = library(LIGHTHOUSE, GARDEN), library()
    for one in (GARDEN, LIGHTHOUSE):
        save_file(made.tensors(one.id), tmp_path / "document.safetensors")
        other.restore(one.id, one.title, load_file(tmp_path / "document.safetensors"))
        assert other.passages(one.id) == made.passages(one.id)
    assert other.search("turnips behind a lighthouse") == made.search("turnips behind a lighthouse")


def test_a_document_without_chunks_can_be_kept() -> None:
    made, other = library(), library()
    made.add("empty", "Nothing", "", [])
    other.restore("empty", "Nothing", made.tensors("empty"))
    assert "empty" in other
    assert other.search("nothing") == ()


SPAN = torch.tensor([[0, 3, 1]])
BYTES = torch.tensor([97, 98, 99], dtype=torch.uint8)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"text": BYTES},
        {"text": BYTES.long(), "chunks": SPAN},
        {"text": BYTES.reshape(1, 3), "chunks": SPAN},
        {"text": BYTES, "chunks": SPAN.float()},
        {"text": BYTES, "chunks": SPAN[:, :2]},
        {"text": BYTES, "chunks": torch.tensor([[0, 4, 1]])},
        {"text": BYTES, "chunks": torch.tensor([[-1, 3, 1]])},
        {"text": BYTES, "chunks": torch.tensor([[2, 2, 1]])},
        {"text": BYTES, "chunks": torch.tensor([[0, 3, 0]])},
        {"text": torch.tensor([255, 254], dtype=torch.uint8), "chunks": SPAN},
    ],
)
def test_a_damaged_document_is_refused(tensors: dict[str, torch.Tensor]) -> None:
    made = library(GARDEN)
    with pytest.raises(ValueError):
        made.restore(GARDEN.id, "x", tensors)
    assert made.search("turnips")


def test_one_passage_is_had_without_the_others() -> None:
    made = library(LIGHTHOUSE, GARDEN)
    every = made.passages(LIGHTHOUSE.id)
    assert len(every) > 2
    assert tuple(made.passage(LIGHTHOUSE.id, n) for n in range(len(every))) == every
    assert made.passage(LIGHTHOUSE.id, 1, 0.5).score == 0.5
    for number in (-1, len(every)):
        with pytest.raises(EngineError, match=f"none has the number {number}"):
            made.passage(LIGHTHOUSE.id, number)


def test_unknown_documents_are_named() -> None:
    made = library()
    for call in (made.remove, made.passages, made.tensors, lambda name: made.passage(name, 0)):
        with pytest.raises(EngineError, match="No document 'nobody'"):
            call("nobody")
