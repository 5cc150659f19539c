"""One splitter for chunks, cut passages and citations."""

from __future__ import annotations

import pytest

from engines.jitrl.chunks import cut
from engines.jitrl.sentences import sentence_spans
from tests.engines.tiny import tiny_tokenizer

SENTENCES = {
    "full stops": ["The lamp was lit.", "Was it?", "It was!", "And on it went…", "Then it ended."],
    "quotes": ['He said "It is lit."', "She saw it (at last.)", "All was well."],
    "short forms": ["Prof. Grey and Mr. J. Smith met e.g. Tobias, i.e. Tobias Grey.", "They ate."],
    "small letters": ["It is approx. nine barrels.", "They are full."],
    "japanese": ["灯台は岬にある。", "船が「来た。」", "見た？"],
    "arabic and hindi": ["هل هذا مصباح؟", "نعم.", "यह दीपक है।", "हाँ।"],
}


def spans(text):
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize("sentences", SENTENCES.values(), ids=SENTENCES.keys())
def test_a_text_is_split_into_its_sentences(sentences):
    assert spans(" ".join(sentences)) == sentences


def test_blank_lines_and_list_items_end_a_sentence():
    assert spans("# Lamps\n\n- the first\n- the second\n  1. a third\n \n\nrest\nof it ") == [
        "# Lamps",
        "- the first",
        "- the second",
        "1. a third",
        "rest\nof it",
    ]


@pytest.mark.parametrize("text", ["", " \n\n ", "\n" * 50_000])
def test_nothing_has_no_sentence(text):
    assert spans(text) == []


def test_a_part_of_a_text_is_split_by_places_in_the_whole():
    text = "One is lit. Two is not. Three."
    assert [text[a:b] for a, b in sentence_spans(text, 12, 23)] == ["Two is not."]


@pytest.mark.parametrize("sentences", SENTENCES.values(), ids=SENTENCES.keys())
def test_a_chunk_ends_where_a_sentence_does(sentences):
    text = " ".join(sentences * 3)
    for chunk in cut(tiny_tokenizer(), text, chunk_tokens=90, overlap_tokens=0):
        assert text[: chunk.end].endswith(tuple(sentences))
