from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.jitrl.chunks import Chunk, cut
from tests.engines.tiny import TEXT, tiny_tokenizer

TOKENIZER = tiny_tokenizer()


def chunks(text: str, chunk_tokens: int = 64, overlap_tokens: int = 16) -> list[Chunk]:
    return list(cut(TOKENIZER, text, chunk_tokens=chunk_tokens, overlap_tokens=overlap_tokens))


def tokens(text: str) -> int:
    return len(TOKENIZER(text, add_special_tokens=False)["input_ids"])


def assert_sound(text: str, chunk_tokens: int, overlap_tokens: int) -> None:
    found = chunks(text, chunk_tokens, overlap_tokens)
    covered = set()
    for chunk in found:
        part = text[chunk.start : chunk.end]
        assert part
        assert part == part.strip()
        assert chunk.tokens == tokens(part)
        assert chunk.tokens <= chunk_tokens or len(part) == 1
        covered.update(range(chunk.start, chunk.end))
    missed = [c for i, c in enumerate(text) if i not in covered and not c.isspace()]
    assert not missed
    for one, after in pairwise(found):
        assert one.start <= after.start
        assert one.end < after.end


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.sampled_from("ab Z.!?。猫も\n\t#-=é🙂\u0301"), max_size=200),
    st.integers(1, 30),
    st.integers(0, 40),
)
def test_any_text_is_covered_by_chunks_that_fit(text: str, most: int, overlap: int) -> None:
    assert_sound(text, most, overlap)


def test_chunks_end_with_sentences_and_repeat_whole_ones() -> None:
    text = " ".join(f"Keeper number {n} lit the lamp again." for n in range(40))
    found = chunks(text, 64, 24)
    assert len(found) > 3
    assert all(text[c.start : c.end].endswith("again.") for c in found)
    assert all(text[c.start : c.end].startswith("Keeper") for c in found)
    assert all(after.start < one.end for one, after in pairwise(found))


def test_without_overlap_no_sentence_is_repeated() -> None:
    assert all(one.end <= after.start for one, after in pairwise(chunks(TEXT, 64, 0)))


def test_an_overlap_as_long_as_the_chunk_still_ends() -> None:
    assert_sound(TEXT, 48, 48)
    assert_sound(TEXT, 48, 1000)


def test_a_heading_stays_with_what_follows_it() -> None:
    for before in range(4, 30):
        text = f"{'The lamp was lit. ' * before}\n\n## The notebooks\n\n{'They are blue. ' * 20}"
        parts = [text[c.start : c.end] for c in chunks(text, 64, 0)]
        assert not any(part.endswith("notebooks") for part in parts)


def test_an_abbreviation_ends_no_chunk() -> None:
    text = "Once Mr. Tobias Grey and J. Smith met e.g. at the lighthouse. " * 30
    assert all(text[c.start : c.end].endswith("lighthouse.") for c in chunks(text, 64, 0))


def test_an_overlong_sentence_is_cut_between_words() -> None:
    text = "oranges wanted " * 200
    assert_sound(text, 32, 8)
    for chunk in chunks(text, 32, 8):
        assert set(text[chunk.start : chunk.end].split()) <= {"oranges", "wanted"}


def test_a_script_without_spaces_is_cut_between_characters() -> None:
    assert_sound("灯台は岬にあり船を導いた" * 40, 32, 8)
    ended = chunks("灯台は岬にある。船が来た。" * 20, 64, 0)
    assert len(ended) > 1


@pytest.mark.parametrize("text", ["", " ", "\n\n \t\n"])
def test_nothing_gives_no_chunk(text: str) -> None:
    assert chunks(text) == []


def test_a_short_text_is_one_chunk() -> None:
    text = "  The lamp was never out.\n"
    assert [text[c.start : c.end] for c in chunks(text)] == ["The lamp was never out."]


def test_a_long_text_is_read_only_as_far_as_it_is_asked_for() -> None:
    read = 0

    def counting(part: str, **_: object) -> dict[str, list[int]]:
        nonlocal read
        read += len(part)
        return {"input_ids": list(range(len(part.split())))}

    text = "The lamp was lit. " * 100_000
    first = list(islice(cut(counting, text, chunk_tokens=64, overlap_tokens=16), 2))
    assert len(first) == 2
    assert read < 5_000


def test_sizes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="chunk_tokens 0"):
        cut(TOKENIZER, TEXT, chunk_tokens=0, overlap_tokens=0)
    with pytest.raises(ValueError, match="overlap_tokens -1"):
        cut(TOKENIZER, TEXT, chunk_tokens=8, overlap_tokens=-1)
