from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from engines.jitrl import index as index_module
from engines.jitrl.index import Hit, PassageIndex
from engines.jitrl.settings import PassageSettings, Ranking
from engines.jitrl.terms import words
from engines.protocol import EngineError

KINDS = [
    PassageSettings(ranking="hybrid"),
    PassageSettings(ranking="hybrid", char_ngrams=False),
    PassageSettings(ranking="tfidf"),
    PassageSettings(ranking="tfidf", char_ngrams=False),
    PassageSettings(ranking="bm25"),
]
STORE = {
    "lamp": ["Tobias kept the lamp for forty years.", "A storm took the chicken house."],
    "library": ["The notebooks are kept in the village library."],
    "fruit": ["The harbour master sent a basket of oranges.", ""],
}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{k.ranking}-{k.char_ngrams}")


def filled(kind: PassageSettings, store: dict[str, list[str]] = STORE) -> PassageIndex:
    index = PassageIndex(kind)
    for document_id, texts in store.items():
        index.add(document_id, texts)
    return index


def first(index: PassageIndex, query: str) -> tuple[str, int]:
    hit = index.search(query, 1)[0]
    return hit.document_id, hit.number


@every_kind
def test_the_passage_that_answers_comes_first(kind: PassageSettings) -> None:
    index = filled(kind)
    assert len(index) == 5
    assert first(index, "Who keeps the lamps?") == ("lamp", 0)
    assert first(index, "What happened in the storm?") == ("lamp", 1)
    assert first(index, "Where is the notebook?") == ("library", 0)
    for hit in index.search("the lamp and oranges in the library", 10):
        assert 0 < hit.score <= 1 + 1e-6


@every_kind
def test_what_shares_nothing_is_not_returned(kind: PassageSettings) -> None:
    index = filled(kind)
    assert index.search("quantum zygotes", 3) == []
    assert index.search("", 3) == []
    assert index.search("who is it", 3) == []
    assert index.search("lamp", 0) == []
    assert PassageIndex(kind).search("lamp", 3) == []


@every_kind
def test_documents_can_be_left_out_of_a_search(kind: PassageSettings) -> None:
    found = filled(kind).search("the lamp and the library", 5, leaving_out={"lamp"})
    assert [hit.document_id for hit in found] == ["library"] or {
        hit.document_id for hit in found
    } == {"library", "fruit"}


@every_kind
def test_a_document_that_is_added_again_is_replaced(kind: PassageSettings) -> None:
    index = filled(kind)
    index.add("lamp", ["Nothing but turnips."])
    assert index.search("Tobias storm", 3) == []
    assert first(index, "turnips") == ("lamp", 0)


@every_kind
def test_equal_passages_come_in_the_order_of_their_ids(kind: PassageSettings) -> None:
    index = filled(kind, {"b": ["the lamp", "the lamp"], "a": ["the lamp"], "c": ["a rope"]})
    found = [(hit.document_id, hit.number) for hit in index.search("lamp", 3)]
    assert found == [("a", 0), ("b", 0), ("b", 1)]


@every_kind
def test_odd_documents_harm_nothing(kind: PassageSettings) -> None:
    index = filled(kind, {"none": [], "empty": [""], "stops": ["the of and is"], "dots": ["..."]})
    assert index.search("lamp", 3) == []
    index.add("lamp", ["the lamp"])
    assert first(index, "lamp") == ("lamp", 0)


@every_kind
@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("灯台は岬にあり、トビアスが守った。", "灯台はどこ"),
        ("图书馆收藏了蓝色的笔记本", "笔记本在哪里"),
        ("المنارة بنيت من حجر الغرانيت", "متى بنيت المنارة"),
        ("Маяк построили три брата", "кто построил маяк"),
        ("ประภาคารตั้งอยู่บนแหลม", "ประภาคารอยู่ที่ไหน"),
    ],
)
def test_other_scripts_are_found(kind: PassageSettings, text: str, query: str) -> None:
    assert first(filled(kind, STORE | {"other": [text]}), query) == ("other", 0)


@every_kind
@pytest.mark.parametrize("word", ["mill", "fire", "system", "bill", "detail", "seven"])
def test_a_word_that_says_something_is_looked_up(kind: PassageSettings, word: str) -> None:
    index = filled(kind, STORE | {"other": [f"About the {word} of the town there is a song."]})
    assert first(index, f"What is sung of the {word}?") == ("other", 0)


@every_kind
def test_a_query_of_ten_thousand_words(kind: PassageSettings) -> None:
    query = " ".join(f"word{n}" for n in range(9_999)) + " oranges"
    assert first(filled(replace(kind, min_score=0.0)), query) == ("fruit", 0)


@pytest.mark.parametrize("ranking", ["bm25", "hybrid"])
def test_a_question_that_shares_next_to_nothing_finds_nothing(ranking: Ranking) -> None:
    query = " ".join(f"word{n}" for n in range(999)) + " oranges"
    assert filled(PassageSettings(ranking=ranking)).search(query, 3) == []


def test_a_higher_min_score_leaves_weak_matches_out() -> None:
    query = "oranges, zebras, giraffes and antelopes"
    assert filled(PassageSettings(ranking="bm25")).search(query, 3)
    assert filled(PassageSettings(ranking="bm25", min_score=0.5)).search(query, 3) == []


@every_kind
def test_adding_reads_the_new_document_alone_and_searching_the_query_alone(
    kind: PassageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    weighed: list[int] = []
    own_counts, own_weigh = index_module._counts, PassageIndex._weigh

    def counting(analyse: Callable[[str], list[str]], texts: Sequence[str]) -> csr_array:
        read.extend(texts)
        return own_counts(analyse, texts)

    def weighing(self: PassageIndex) -> object:
        weighed.append(len(self))
        return own_weigh(self)

    index = filled(kind)
    monkeypatch.setattr(index_module, "_counts", counting)
    monkeypatch.setattr(PassageIndex, "_weigh", weighing)
    for number in range(3):
        index.add(f"new {number}", [f"A lighter {number}."])
        assert set(read) == {f"A lighter {number}."}
        read.clear()
    index.remove("fruit")
    assert (read, weighed) == ([], [])
    for query in ("the lamp", "the storm"):
        index.search(query, 3)
        assert set(read) == {query}
        read.clear()
    assert weighed == [6]  # once, by the first search after all four changes


@every_kind
def test_passages_counted_in_parts_are_found_as_if_counted_at_once(kind: PassageSettings) -> None:
    whole, parts = filled(kind), filled(kind, {})
    for document_id, texts in STORE.items():
        parts.add_counted(document_id, [parts.counted([text]) for text in texts])
    parts.add_counted("empty", [])
    query = "the lamp and oranges in the village library"
    assert parts.search(query, 5) == whole.search(query, 5)
    assert len(parts) == len(whole)


def test_an_unknown_document_can_not_be_removed() -> None:
    with pytest.raises(EngineError, match="No document 'nobody'"):
        filled(KINDS[0]).remove("nobody")


def test_the_order_is_that_of_bm25s_own_index() -> None:
    texts = [text for texts in STORE.values() for text in texts]
    own = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    own.index([words(text) for text in texts], show_progress=False)
    query = "the lamp, the village library and the harbour master"
    expected = own.get_scores(words(query))
    found = filled(PassageSettings(ranking="bm25")).search(query, 5)
    places = {key: at for at, key in enumerate((d, n) for d in STORE for n in range(len(STORE[d])))}
    ratios = [hit.score / expected[places[hit.document_id, hit.number]] for hit in found]
    assert len(found) == np.count_nonzero(expected)
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=1e-4)


passage = st.lists(
    st.sampled_from(["lamp", "storm", "lamps", "orange", "the", "blue", "灯台", "x"]), max_size=6
)
change = st.tuples(
    st.sampled_from("abcd"),
    st.none() | st.lists(passage.map(" ".join), max_size=3),
    st.booleans(),
)


@every_kind
@settings(max_examples=25, deadline=None)
@given(changes=st.lists(change, max_size=8))
def test_any_history_finds_what_a_fresh_index_finds(
    kind: PassageSettings, changes: list[tuple[str, list[str] | None, bool]]
) -> None:
    index, content = PassageIndex(kind), {}
    for document_id, texts, searched in changes:
        if texts is not None:
            index.add(document_id, texts)
            content[document_id] = texts
        elif document_id in content:
            index.remove(document_id)
            del content[document_id]
        if searched:
            index.search("lamp", 2)
    fresh = filled(kind, dict(sorted(content.items())))
    found: list[Hit] = index.search("lamp 灯台 in an orange storm", 10)
    assert found == fresh.search("lamp 灯台 in an orange storm", 10)
    assert all(np.isfinite(hit.score) and hit.score > 0 for hit in found)
    assert len(index) == sum(map(len, content.values()))
