"""JSON lines: texts joined into one document, questions kept beside it, bad lines noted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.documents import ReadOptions, read_file
from engines.jsonlines import Fields, parse_lines
from engines.protocol import Document, DocumentError


@pytest.fixture
def lines(tmp_path: Path):
    def _read(*rows: object, options: ReadOptions | None = None) -> Document:
        path = tmp_path / "rows.jsonl"
        path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
        return read_file(path, options)

    return _read


def test_all_lines_are_one_document(lines) -> None:
    document = lines({"text": "One."}, {"content": "Two.\nMore."}, "", {"text": "Three."})
    assert document.text == "One.\n\nTwo.\nMore.\n\nThree."
    assert document.title == "rows"
    assert document.notes == ()


def test_a_title_that_all_lines_share_is_the_documents(lines) -> None:
    assert lines({"text": "a", "title": "Gulls"}, {"text": "b", "title": "Gulls"}).title == "Gulls"
    assert lines({"text": "a", "title": "Gulls"}, {"text": "b", "title": "Terns"}).title == "rows"


def test_questions_alone_become_the_text(lines) -> None:
    document = lines(
        {"question": "Who?", "answer": "Ada"},
        {"question": "When?", "answers": ["1843", "in 1843"]},
        {"question": "How many?", "answer": 7},
    )
    assert document.text == (
        "Question: Who?\nAnswer: Ada\n\nQuestion: When?\nAnswer: 1843\n\n"
        "Question: How many?\nAnswer: 7"
    )
    assert document.questions == (
        ("Who?", ("Ada",)), ("When?", ("1843", "in 1843")), ("How many?", ("7",)),
    )  # fmt: skip


def test_questions_beside_texts_stay_out_of_the_text(lines) -> None:
    document = lines({"text": "Ada wrote."}, {"question": "Who wrote?", "answer": "Ada"})
    assert document.text == "Ada wrote."
    assert document.questions == (("Who wrote?", ("Ada",)),)


def test_a_paragraph_repeated_for_each_question_counts_once(lines) -> None:
    rows = [
        {"context": "P1", "question": "a?", "answers": {"text": ["x"], "answer_start": [0]}},
        {"context": "P1", "question": "b?", "answers": []},
        {"context": "P2", "question": "c?", "answers": ["y"]},
    ]
    document = lines(*rows, options=ReadOptions(text_fields=("context",)))
    assert document.text == "P1\n\nP2"
    assert document.questions == (("a?", ("x",)), ("c?", ("y",)))


def test_lines_that_only_repeat_a_text_are_kept(lines) -> None:
    assert lines({"text": "la"}, {"text": "la"}).text == "la\n\nla"


def test_field_names_come_from_the_options(lines) -> None:
    options = ReadOptions(text_fields=("body",), question_field="q", answer_field="a")
    document = lines({"body": "Text."}, {"q": "Why?", "a": "So."}, options=options)
    assert document.text == "Text."
    assert document.questions == (("Why?", ("So.",)),)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[1]", "it is not a JSON object"),
        ({"other": 1}, "it has no field 'text', 'content', or 'question' with 'answer'"),
        ({"question": "why?"}, "it has no field 'text', 'content', or 'question' with 'answer'"),
        ({"text": 5}, "its 'text' is not a text"),
        ({"text": " "}, "its 'text' is empty"),
        ({"text": "a\0"}, "its 'text' holds a NUL character"),
        ({"question": ["x"], "answer": "y"}, "its 'question' is not a text"),
        ({"question": "x", "answer": [["y"]]}, "its 'answer' is not a text"),
    ],
)
def test_a_bad_line_is_left_out_with_its_number(lines, tmp_path: Path, row, reason) -> None:
    document = lines({"text": "Good."}, row)
    assert document.text == "Good."
    assert document.notes == (f"line 2 of {tmp_path / 'rows.jsonl'} was left out: {reason}",)


def test_many_bad_lines_give_few_notes(lines) -> None:
    document = lines({"text": "Good."}, *["bad"] * 20)
    assert len(document.notes) == 6
    assert document.notes[-1] == "15 more lines left out"


def test_a_file_of_bad_lines_fails_and_says_what_is_needed(lines) -> None:
    with pytest.raises(
        DocumentError, match=r"no usable line .*needs a field 'text', 'content', or"
    ):
        lines("bad", {"x": 1})


def test_a_lone_surrogate_is_replaced_and_noted(lines) -> None:
    document = lines('{"text": "a\\ud800b \\ud83d\\ude00"}')
    assert document.text == "a\ufffdb \U0001f600"
    assert document.notes == ("1 broken character replaced by \ufffd",)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "content", "question", "answer", "answers", "title"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


@given(st.lists(_JSON, max_size=6))
def test_any_rows_give_a_text_or_one_sentence(rows: list[object]) -> None:
    content = "\n".join(json.dumps(row) for row in rows)
    try:
        parse_lines(content, Fields(("text", "content"), "question", "answer"), "rows.jsonl")
    except DocumentError as error:
        assert error.reason.endswith(".")
