"""How rare a word is counts by chunks, and forgets what is forgotten."""

from __future__ import annotations

import pytest

from engines.jitrl.rarity import WordRarity


def test_a_word_of_a_single_chunk_is_rarest_and_a_common_one_near_nothing():
    rarity = WordRarity()
    rarity.add("one", ["Larch and barrels.", "Barrels again.", "More barrels, barrels."])
    assert rarity.of("larch") == 1.0
    assert 0.0 < rarity.of("barrels") < 0.25


def test_removing_and_adding_anew_count_a_document_once():
    rarity = WordRarity()
    rarity.add("one", ["barrels", "larch"])
    before = rarity.of("barrels")
    for _ in range(2):
        rarity.add("two", ["barrels", "barrels"])
    assert rarity.of("barrels") < before
    rarity.remove("two")
    assert "two" not in rarity
    assert rarity.of("barrels") == pytest.approx(before)


def test_without_any_chunk_every_word_is_rare():
    assert WordRarity().of("larch") == 1.0
