"""Study items as JSON lines: written, edited, read again, and refused with the line's number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engines.protocol import DocumentError, StudyItem
from engines.ttt.study.items import parse_items, read_items, write_items

ITEMS = (
    StudyItem("cloze", "Its crane is made of", "black larch.", "Its crane is made of black larch."),
    StudyItem("given", "Wer zählt die Boote?", "„Ilse“ Brandt\nund du"),
    StudyItem("question", "Who dug it?", "Forty women.", "Forty women dug it."),
)


def test_what_is_written_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "items.jsonl"
    write_items(path, ITEMS)
    assert read_items(path) == ITEMS
    assert [p.name for p in path.parent.iterdir()] == ["items.jsonl"]
    assert "zählt" in path.read_text(encoding="utf-8")


def test_kind_may_be_left_out_and_a_prompt_be_called_question() -> None:
    line = '\n  {"question": " Who? ", "answer": "Ilse", "note": 3}\n\n'
    assert parse_items(line, "x") == (StudyItem("given", "Who?", "Ilse"),)


def test_a_file_from_another_editor_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "Who?", "answer": "Ilse"}\r\n')
    assert read_items(path) == (StudyItem("given", "Who?", "Ilse"),)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[1]", "it is not a JSON object"),
        ('{"kind": "riddle", "prompt": "a", "answer": "b"}', "its kind is 'riddle'"),
        ('{"kind": ["given"], "prompt": "a", "answer": "b"}', "its kind is"),
        ('{"answer": "b"}', "it has no 'prompt'"),
        ('{"prompt": "a"}', "it has no 'answer'"),
        ('{"prompt": " ", "answer": "b"}', "its 'prompt' is empty"),
        ('{"question": "", "answer": "b"}', "its 'question' is empty"),
        ('{"prompt": "a", "answer": ""}', "its 'answer' is empty"),
        ('{"prompt": "a", "answer": 7}', "its 'answer' is not a text"),
        ('{"prompt": "a", "answer": "b", "passage": null}', "its 'passage' is not a text"),
        ('{"prompt": "a\\u0000", "answer": "b"}', "NUL"),
        ('{"prompt": "a\\ud800", "answer": "b"}', "half a character"),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(json.dumps({"prompt": "a", "answer": "b"}) + "\n\n" + line + "\n")
    with pytest.raises(DocumentError) as caught:
        read_items(path)
    assert caught.value.reason.startswith("items.jsonl line 3: ")
    assert reason in caught.value.reason
    assert caught.value.path == str(path)


def test_further_bad_lines_are_counted() -> None:
    with pytest.raises(DocumentError, match=r"line 1: .* \(2 more bad lines\)\.$"):
        parse_items("{\n{\n{\n", "items.jsonl")


def test_no_item_and_no_file_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DocumentError, match=r"empty\.jsonl holds no study item"):
        read_items(tmp_path / "empty.jsonl")
    with pytest.raises(DocumentError, match=r"gone\.jsonl can't be read"):
        read_items(tmp_path / "gone.jsonl")
    with pytest.raises(DocumentError, match="can't be read"):
        read_items(tmp_path)
