"""Which logits are raised by the passages, how far, and for how long."""

from __future__ import annotations

import itertools

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from engines.host import ModelHost
from engines.jitrl.bias import WordBias
from engines.protocol import Passage
from engines.words import STOP_WORDS
from tests.engines.learning import HARBOUR, tiny_host
from tests.engines.tiny import TEXT, tiny_model

PASSAGE = Passage("a" * 12, "Harbour", 1, HARBOUR.text, 1.0, reference=1)


@pytest.fixture(scope="module")
def host():
    return tiny_host()


def bias(host, *passages, strength=4.0, decay=0.0, rarity=lambda word: 1.0):
    return WordBias(host, passages or (PASSAGE,), rarity, strength=strength, decay=decay)


def raised(adjuster, vocabulary=400):
    before = torch.zeros(1, vocabulary)
    after = adjuster.adjust(torch.zeros(1, 1, dtype=torch.long), before)
    return {int(token): float(after[0, token]) for token in after[0].nonzero().flatten()}


def ids(host, text):
    return host.tokenizer(text, add_special_tokens=False)["input_ids"]


def first(host, word):
    """The first token of ``word`` inside a sentence; this tokenizer gives some spaces their own."""
    spaced = ids(host, f" {word}")
    return spaced[0] if host.tokenizer.decode(spaced[:1]).strip() else spaced[1]


def test_strength_zero_is_bit_identical(host):
    logits = torch.randn(1, 400)
    adjuster = bias(host, strength=0.0)
    assert torch.equal(adjuster.adjust(torch.zeros(1, 1), logits), logits)
    assert adjuster.nudges == ()
    assert adjuster.chosen(first(host, "harbour")) is None


def test_only_words_that_say_something_are_raised_and_never_above_the_strength(host):
    lifts = raised(bias(host))
    texts = [host.tokenizer.decode([token]) for token in lifts]
    assert first(host, "harbour") in lifts
    assert all(any(letter.isalnum() for letter in text) for text in texts)
    assert all(text.strip().lower() not in STOP_WORDS for text in texts)
    assert max(lifts.values()) == 4.0


def test_an_end_token_is_never_raised_even_if_the_passage_writes_it(host):
    text = "Ends with <|im_end|> and <|endoftext|> now, Ilse."
    adjuster = bias(host, Passage("b" * 12, "Odd", 1, text, 1.0, reference=1))
    for token in [*ids(host, text), *ids(host, "im_end")]:
        assert not host.end_tokens & raised(adjuster).keys()
        adjuster.chosen(token)


def test_the_rarer_word_is_raised_more_and_a_word_of_every_chunk_not_at_all(host):
    rarity = {"larch": 1.0, "barrels": 0.25}
    lifts = raised(bias(host, rarity=lambda word: rarity.get(word, 0.0)))
    assert lifts[first(host, "larch")] == 4.0
    assert lifts[first(host, "barrels")] == 1.0
    assert set(lifts.values()) == {4.0, 1.0}
    nudges = bias(host, rarity=lambda word: rarity.get(word, 0.0)).nudges
    assert [(nudge.text, nudge.amount) for nudge in nudges] == [("larch", 4.0), ("barrels", 1.0)]


def test_a_following_token_is_raised_only_behind_the_tokens_before_it(host):
    path = ids(host, " barrels")
    assert len(path) > 2
    adjuster = bias(host, Passage("c" * 12, "Crane", 1, "barrels", 1.0, reference=1))
    assert raised(adjuster).keys() == {path[0], ids(host, "barrels")[0]}
    for before, after in itertools.pairwise(path):
        nudge = adjuster.chosen(before)
        assert nudge is not None and nudge.amount == 4.0 and nudge.passages == (0,)
        assert after in raised(adjuster)
    other = bias(host, Passage("c" * 12, "Crane", 1, "barrels", 1.0, reference=1))
    other.chosen(path[0])
    other.chosen(ids(host, ".")[0])
    assert path[1] not in raised(other)


def test_a_word_that_was_used_decays_however_it_was_written(host):
    adjuster = bias(host, decay=0.5, rarity=lambda word: float(word == "larch"))
    token = first(host, "larch")
    assert raised(adjuster)[token] == 4.0
    for one in ids(host, " larch"):
        adjuster.chosen(one)
    assert raised(adjuster)[token] == 2.0
    spent = bias(host, decay=0.0, rarity=lambda word: float(word == "larch"))
    for token in ids(host, " larch"):
        spent.chosen(token)
    assert raised(spent) == {}


def test_a_word_that_was_begun_and_left_is_not_begun_over_and_over(host):
    passage = Passage("c" * 12, "Crane", 1, "barrels", 1.0, reference=1)
    path = ids(host, " barrels")
    adjuster = bias(host, passage, decay=0.0)
    adjuster.chosen(path[0])
    assert path[0] in raised(adjuster)
    adjuster.chosen(path[0])
    adjuster.chosen(ids(host, ".")[0])
    assert raised(adjuster) == {}


def test_a_word_with_the_beginning_of_another_stays_while_that_one_is_written(host):
    passage = Passage("c" * 12, "Crane", 1, "barrels baskets", 1.0, reference=1)
    path, other = ids(host, " barrels"), ids(host, " baskets")
    assert path[0] == other[0]
    adjuster = bias(host, passage, decay=0.0)
    for token in path:
        adjuster.chosen(token)
    assert raised(adjuster)[other[0]] == 4.0
    assert [nudge.text for nudge in adjuster.nudges] == ["baskets"]


def test_no_word_is_started_in_the_middle_of_another(host):
    adjuster = bias(host, Passage("c" * 12, "Crane", 1, "lamp", 1.0, reference=1))
    bare, spaced = ids(host, "lamp")[0], ids(host, " lamp")[0]
    assert bare != spaced
    assert {bare, spaced} <= raised(adjuster).keys()
    adjuster.chosen(ids(host, "x")[0])
    assert raised(adjuster).keys() == {spaced}


def test_passages_left_out_of_the_context_raise_nothing_and_indices_are_of_all(host):
    out = Passage("d" * 12, "Out", 1, "parrots", 1.0)
    adjuster = bias(host, out, PASSAGE)
    assert not any("parrots" in nudge.text for nudge in adjuster.nudges)
    assert {nudge.passages for nudge in adjuster.nudges} == {(1,)}
    assert len(adjuster.nudges) <= 24


def metaspace_host():
    """A host whose tokenizer writes the space as ▁ and drops the first one it decodes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=390, special_tokens=["<unk>", "</s>"], show_progress=False
    )
    tokenizer.train_from_iterator([HARBOUR.text, TEXT], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", clean_up_tokenization_spaces=False
    )
    return ModelHost(model=tiny_model(), tokenizer=fast)


def test_words_are_raised_inside_a_sentence_where_the_space_is_part_of_the_token():
    host = metaspace_host()
    adjuster = bias(host, Passage("c" * 12, "Lamp", 1, "the lamp", 1.0, reference=1))
    path = ids(host, "lamp")
    assert host.tokenizer.convert_ids_to_tokens(path[0]).startswith("▁")
    adjuster.chosen(ids(host, "The")[-1])
    assert raised(adjuster)[path[0]] == 4.0
    for token in path:
        adjuster.chosen(token)
    assert raised(adjuster) == {}
