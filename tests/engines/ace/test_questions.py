"""Where questions come from, and which are kept apart."""

from __future__ import annotations

import json

import pytest

from engines.ace import questions
from engines.ace.questions import (
    Pair,
    is_only_questions,
    pairs_of,
    read_noted_pairs,
    read_pairs,
    split,
)
from engines.documents import ReadOptions, read_file
from engines.protocol import Document, DocumentError


def some(count):
    return [Pair(f"What is {n}?", (str(n),)) for n in range(count)]


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_part_that_is_kept_apart_is_drawn_by_the_seed():
    parts = split(some(10), 0.3, 50, seed=1)
    assert (len(parts.learned), len(parts.validation)) == (7, 3)
    assert not set(parts.learned) & set(parts.validation)
    assert split(some(10), 0.3, 50, seed=1) == parts != split(some(10), 0.3, 50, seed=2)


def test_few_questions_are_all_learned_from_and_one_is_always_left():
    assert split(some(2), 0.5, 50, 0).validation == ()
    assert len(split(some(3), 0.01, 50, 0).validation) == 1
    assert len(split(some(5), 1.0, 50, 0).learned) == 1
    assert len(split(some(100), 0.9, 8, 0).validation) == 8


def test_a_question_that_is_there_twice_is_in_one_part():
    parts = split([*some(6), *some(6)], 0.5, 50, 0)
    assert len(parts.learned) + len(parts.validation) == 6


def test_a_documents_own_questions_name_it():
    document = Document.from_text("A text.", questions=[("Q?", ("a", " ")), ("No answer?", ())])
    assert pairs_of(document) == (Pair("Q?", ("a",), document.id),)


def test_files_with_question_and_answer_or_context_and_target_are_read(tmp_path):
    first = lines(tmp_path / "a.jsonl", {"question": "Q?", "answers": ["a", "b"]})
    second = lines(tmp_path / "b.jsonl", {"context": "Use it. Answer:", "target": "5.0"})
    assert read_pairs(first) == (Pair("Q?", ("a", "b")),)
    assert read_pairs(second) == (Pair("Use it. Answer:", ("5.0",)),)


def test_a_file_without_questions_says_what_it_needs(tmp_path):
    with pytest.raises(DocumentError, match="question"):
        read_pairs(lines(tmp_path / "a.jsonl", {"text": "Only a text."}))


def test_lines_that_were_left_out_are_told_and_so_is_what_they_need(tmp_path):
    path = lines(tmp_path / "a.jsonl", {"question": "Q?", "answer": "a"}, {"question": 3})
    pairs, notes = read_noted_pairs(path)
    assert len(pairs) == 1
    assert len(notes) == 1
    assert "line 2" in notes[0]
    with pytest.raises(DocumentError, match="its 'question' is not a text"):
        read_pairs(lines(tmp_path / "b.jsonl", {"question": 3, "answer": "a"}))
    with pytest.raises(DocumentError, match="a 'q' and an 'a'"):
        read_pairs(path, ReadOptions(question_field="q", answer_field="a"))


def test_questions_beyond_the_most_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(questions, "MAX_PAIRS", 2)
    path = lines(tmp_path / "a.jsonl", *({"question": f"{n}?", "answer": "a"} for n in range(5)))
    pairs, notes = read_noted_pairs(path)
    assert (len(pairs), notes) == (2, ("3 questions after the first 2 were left out",))


def test_a_document_that_only_writes_its_answers_out_is_told_apart(tmp_path):
    rows = [{"question": f"Q {n}?", "answer": f"a{n}"} for n in range(3)]
    assert is_only_questions(read_file(lines(tmp_path / "a.jsonl", *rows)))
    rows[0]["text"] = "A paragraph to read."
    assert not is_only_questions(read_file(lines(tmp_path / "b.jsonl", *rows)))
