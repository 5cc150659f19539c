"""The texts that come with the engines are fit for use, and one's own can take their place."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import engines.texts
from engines.documents import SUFFIXES, read_file, samples
from engines.protocol import DocumentError
from engines.samples import sample_questions
from engines.texts import calibration_passages, held_out_passages, passages_from
from engines.texts.passages import passages, sentences

FOLDER = Path(engines.texts.__file__).parent


def sources(name: str) -> list[str]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["source"] for line in lines]


def word_runs(text: str, length: int = 8) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def test_the_shipped_texts_have_the_sizes_they_promise() -> None:
    assert len(calibration_passages()) == 240
    assert all(4 <= len(p.split()) <= 90 for p in calibration_passages())
    assert len(held_out_passages()) == 6
    assert all(200 <= len(p.split()) <= 250 for p in held_out_passages())
    assert (FOLDER / "calibration.jsonl").stat().st_size <= 200_000
    assert (FOLDER / "held_out.jsonl").stat().st_size <= 12_000


def test_held_out_text_is_nowhere_in_the_calibration_text() -> None:
    assert not set(sources("held_out.jsonl")) & set(sources("calibration.jsonl"))
    seen = set().union(*map(word_runs, calibration_passages()))
    assert not any(word_runs(passage) & seen for passage in held_out_passages())


def test_the_first_part_of_the_calibration_text_is_a_fair_mix() -> None:
    kinds = Counter(source.split(":")[0] for source in sources("calibration.jsonl")[:60])
    assert kinds == {"WikiText-2": 40, "FairytaleQA": 10, "SQuAD 1.1": 10}
    articles = [s for s in sources("calibration.jsonl")[:60] if s.startswith("WikiText-2")]
    assert len(set(articles)) == 40


def test_every_source_has_its_licence() -> None:
    licences = (FOLDER / "LICENCES.md").read_text(encoding="utf-8")
    for source in {*sources("calibration.jsonl"), *sources("held_out.jsonl")}:
        assert f"`{source.split(':')[0]}" in licences


def test_no_marks_of_a_tokeniser_are_left() -> None:
    for passage in (*calibration_passages(), *held_out_passages()):
        assert "<unk>" not in passage
        assert "@" not in passage
        assert "  " not in passage
        assert " ," not in passage


def test_the_samples_read_and_their_first_headings_are_their_titles() -> None:
    documents = [read_file(path) for path in samples()]
    assert [path.name for path in samples()] == ["aviary.md", "harbour.md", "lighthouse.md"]
    assert all(d.text.startswith(f"# {d.title}\n") for d in documents)
    assert all(path.suffix in SUFFIXES for path in samples())


def test_each_sample_has_questions_that_its_text_answers() -> None:
    texts = {path.name: read_file(path).text for path in samples()}
    counts = Counter(q.document for q in sample_questions())
    assert set(counts) == set(texts)
    assert all(10 <= count <= 12 for count in counts.values())
    for q in sample_questions():
        assert texts[q.document].count(f"{q.cloze} {q.answers[0]}") == 1


def test_sentences_end_where_people_would_say() -> None:
    text = 'He met Dr. J. Smith at 3.15 p.m. yesterday. "Really?" she said. "Yes!" No. 5 won.'
    assert sentences(text) == [
        "He met Dr. J. Smith at 3.15 p.m. yesterday.",
        '"Really?" she said.',
        '"Yes!"',
        "No. 5 won.",
    ]
    assert sentences("吾輩は猫である。名前はまだ無い。") == ["吾輩は猫である。", "名前はまだ無い。"]
    assert sentences(" \n ") == []


def test_passages_keep_every_word_and_end_with_a_sentence() -> None:
    text = read_file(samples()[1]).text
    cut = passages(text, words=80)
    assert " ".join(cut).split() == text.split()
    assert all(passage.endswith(".") for passage in cut)
    assert all(20 <= len(passage.split()) <= 140 for passage in cut)


def test_endless_text_is_cut_all_the_same() -> None:
    assert max(map(len, passages("word " * 5_000))) <= 2_000
    assert max(map(len, passages("x" * 50_000))) <= 2_000
    assert passages("") == ()


def test_own_passages_come_from_a_file_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One two three four. " * 40)
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "Five six seven eight."}) + "\n")
    (tmp_path / "c.md").touch()
    assert len(passages_from(tmp_path / "a.txt")) == 2
    assert passages_from(str(tmp_path))[-1] == "Five six seven eight."


def test_an_own_corpus_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DocumentError, match=r"empty\.txt is empty"):
        passages_from(tmp_path)
    with pytest.raises(DocumentError, match="There is no file"):
        passages_from(tmp_path / "gone.txt")
