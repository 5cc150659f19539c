"""Stored states are found by their chunk's mean and gathered without needless moves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engines.jitrl.neighbours import nearest
from engines.jitrl.returns import Returns, Used
from engines.jitrl.search import ChunkHit, Space, StateStore
from engines.jitrl.state_file import StateFile, StateWriter
from engines.protocol import EngineError

WIDTH = 16
COMMON = 50.0 * torch.ones(WIDTH)  # the direction that all states share
SPACE = Space(COMMON, COMMON, torch.ones(WIDTH))


def topic(seed: int) -> torch.Tensor:
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))


def stored(path: Path, *topics: int, tokens: int = 10, width: int = WIDTH) -> StateFile:
    """A file of one chunk of ``tokens`` tokens for each topic."""
    source = torch.Generator().manual_seed(sum(topics))
    with StateWriter(path, tokens=tokens * len(topics), chunks=len(topics), width=width) as writer:
        for chunk, seed in enumerate(topics):
            noise = 0.3 * torch.randn(tokens, WIDTH, generator=source)
            states = (COMMON + topic(seed) + noise)[:, :width]
            writer.append(states, torch.arange(tokens) + seed, torch.full((tokens,), chunk))
    return StateFile(path)


@pytest.fixture
def store(tmp_path):
    store = StateStore("cpu")
    store.add("a", stored(tmp_path / "a", 1, 2, 3))
    store.add("b", stored(tmp_path / "b", 4, 5))
    return store


def near(store: StateStore, seed: int, count: int, **how: object) -> tuple[ChunkHit, ...]:
    return store.candidates(SPACE.of_text(COMMON + topic(seed)), count, SPACE, **how)


def found(store: StateStore, seed: int, count: int = 2, **how: object) -> list[tuple[str, int]]:
    hits = near(store, seed, count, **how)
    return [(hit.document_id, hit.chunk) for hit in hits]


@pytest.mark.parametrize(
    ("seed", "best"), [(1, ("a", 0)), (2, ("a", 1)), (3, ("a", 2)), (4, ("b", 0)), (5, ("b", 1))]
)
def test_the_chunk_of_a_topic_is_found_under_what_all_states_share(store, seed, best):
    assert found(store, seed)[0] == best
    scores = [hit.score for hit in near(store, seed, 5)]
    assert scores == sorted(scores, reverse=True)
    assert all(-1.001 <= score <= 1.001 for score in scores)
    assert scores[0] > 0.8


def test_a_question_is_found_under_its_own_form_and_a_large_dimension_decides_nothing(store):
    form = 100.0 * topic(99)
    loud = torch.ones(WIDTH)
    loud[3] = 500.0
    space = Space(COMMON, COMMON + form, loud)
    question = COMMON + form + topic(4)
    question[3] += 400.0
    assert store.candidates(space.of_question(question), 1, space)[0].document_id == "b"
    plain = Space(COMMON, COMMON + form, torch.ones(WIDTH))
    alike = [store.candidates(s.of_question(question), 1, s)[0].score for s in (space, plain)]
    assert alike[0] > 0.7 > alike[1]


def test_a_document_can_be_left_out_for_one_question(store):
    assert ("b", 0) not in found(store, 4, 5, leaving_out={"b"})
    assert len(found(store, 4, 99, leaving_out={"b"})) == 3
    assert found(store, 4, 3, leaving_out={"a", "b"}) == []
    assert found(store, 4)[0] == ("b", 0)


def test_a_document_that_is_removed_is_found_no_more(store):
    store.gather(near(store, 1, 5))
    store.remove("a")
    assert {name for name, _ in found(store, 1, 9)} == {"b"}
    assert store.tokens == 20
    store.remove("a")
    store.remove("b")
    assert found(store, 1) == []
    assert store.gather(()).states.shape[0] == 0


def test_an_empty_store_finds_nothing():
    store = StateStore("cpu")
    assert near(store, 1, 3) == ()
    assert len(store.gather(()).tokens) == 0


def test_a_single_chunk_is_found_though_nothing_tells_it_apart(tmp_path):
    store = StateStore("cpu")
    store.add("a", stored(tmp_path / "a", 1))
    assert found(store, 9) == [("a", 0)]


def test_what_is_gathered_names_where_each_state_is_stored(store):
    hits = near(store, 5, 2)
    got = store.gather(hits)
    assert got.states.shape == (20, WIDTH)
    for place in (0, 9, 10, 19):
        hit = got.hits[got.hit[place]]
        row = int(got.rows[place])
        states, tokens = store.documents[hit.document_id].rows(row, row + 1)
        assert torch.equal(got.states[place], states[0].float())
        assert got.tokens[place] == tokens[0]
        start, end = store.documents[hit.document_id].chunk_rows(hit.chunk)
        assert start <= row < end
    _, rows = nearest(got.states[13:14], got.states, 3)
    assert rows[0, 0] == 13


def test_returns_come_along_and_follow_a_verdict(store):
    returns = Returns()
    returns.add("a", 30)
    returns.add("b", 20)
    hits = near(store, 2, 1)
    assert store.gather(hits, returns).returns.tolist() == [1.0] * 10
    used = Used("a", (12,), (1.0,))
    returns.rate("up", [used], rate=0.5, question="", answer="", tokens=1, rated_at="")
    assert store.gather(hits, returns).returns[2] == 1.5
    assert store.gather(hits).returns[2] == 1.0


def test_the_same_chunks_are_not_moved_again(store, monkeypatch):
    hits = near(store, 1, 2)
    first = store.gather(hits)
    monkeypatch.setattr(StateFile, "rows", lambda *_: pytest.fail("read from the disk again"))
    assert store.gather(near(store, 1, 2)) is first
    swapped = store.gather(hits[::-1])
    assert torch.equal(swapped.states[10:], first.states[:10])


def test_a_small_cache_changes_nothing_but_what_is_read_again(tmp_path):
    file = stored(tmp_path / "a", 1, 2, 3)
    large, small = StateStore("cpu"), StateStore("cpu", cache_bytes=1000)
    for store in (large, small):
        store.add("a", file)
    for seed in (1, 2, 3, 1):
        pair = [store.gather(near(store, seed, 2)) for store in (large, small)]
        assert torch.equal(pair[0].states, pair[1].states)
    assert small._cache._bytes <= 1000


def test_the_same_document_again_takes_the_place_of_the_old(tmp_path, store):
    store.gather(near(store, 4, 5))
    store.add("b", stored(tmp_path / "c", 7))
    assert store.tokens == 40
    assert found(store, 7, 1) == [("b", 0)]
    assert store.gather(near(store, 7, 1)).tokens[0] == 7


def test_a_chunk_without_a_token_of_its_own_is_passed_over(tmp_path):
    with StateWriter(tmp_path / "a", tokens=4, chunks=3, width=WIDTH) as writer:
        writer.append(torch.randn(4, WIDTH), torch.arange(4), torch.tensor([0, 0, 2, 2]))
    store = StateStore("cpu")
    store.add("a", StateFile(tmp_path / "a"))
    assert {chunk for _, chunk in found(store, 1, 9)} == {0, 2}


def test_states_of_another_width_are_refused(tmp_path, store):
    with pytest.raises(EngineError, match=r"8 numbers and those stored 16.*projection"):
        store.add("c", stored(tmp_path / "c", 1, width=8))
    assert [*store.documents] == ["a", "b"]
