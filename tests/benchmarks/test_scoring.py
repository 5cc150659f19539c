"""Scoring many texts in one row gives what scoring each alone gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from scoring import Asked, Sheet, common_start, mean_of, windows

from engines import families
from engines.host import ModelHost
from tests.engines.tiny import TEXT, tiny_model, tiny_tokenizer


def host_of(family: str = "llama") -> ModelHost:
    return ModelHost(model=tiny_model(family), tokenizer=tiny_tokenizer())


def questions(host: ModelHost) -> list[Asked]:
    """Prompts with a common beginning, of different lengths, with several continuations."""
    prompts = ["The lamp was lit", "The lamp was lit by the", "The lamp was", "The lamp was lit"]
    endings = [(" by Tobias", " in 1871"), (" keeper",), (" never out", " red", " new"), (" late",)]
    return [
        Asked(host.encode(prompt), tuple(host.encode(ending) for ending in listed))
        for prompt, listed in zip(prompts, endings, strict=True)
    ]


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gemma2", "mistral"])
@pytest.mark.parametrize("first", [0, 3])
def test_a_row_of_many_scores_each_as_if_it_were_alone(family: str, first: int) -> None:
    host = host_of(family)
    asked = questions(host)
    found = Sheet(host, asked, first).scores()
    for one, scores in zip(asked, found, strict=True):
        alone = [host.negative_log_likelihood(one.prompt, c) for c in one.continuations]
        assert [score.mean for score in scores] == pytest.approx(alone, rel=1e-4)
        assert [score.tokens for score in scores] == [len(c) for c in one.continuations]


def test_prompts_without_a_common_beginning_are_scored_too() -> None:
    host = host_of()
    texts = [host.encode(text) for text in ("Wind, much wind.", "Oranges wanted.", "Tobias")]
    asked = [Asked(ids[:1], (ids[1:],)) for ids in texts]
    alone = [host.negative_log_likelihood(ids[:1], ids[1:]) for ids in texts]
    assert [s[0].mean for s in Sheet(host, asked).scores()] == pytest.approx(alone, rel=1e-4)


def test_the_block_is_open_while_scoring_and_only_the_upper_layers_are_run_again() -> None:
    host = host_of()
    asked = questions(host)
    sheet = Sheet(host, asked, first=3)
    before = mean_of(sheet.scores())
    layers = families.decoder_layers(host.model)

    @contextmanager
    def louder(number: int) -> Iterator[None]:
        weight = layers[number].mlp.down_proj.weight
        kept = weight.detach().clone()
        with torch.no_grad():
            weight.mul_(3)
            yield
            weight.copy_(kept)

    assert mean_of(sheet.scores(lambda: louder(3))) != pytest.approx(before, rel=1e-3)
    assert mean_of(sheet.scores(lambda: louder(0))) == before
    assert mean_of(sheet.scores()) == before


def test_a_text_that_fits_one_window_scores_as_the_model_does() -> None:
    host = host_of()
    ids = host.encode(TEXT)
    alone = host.negative_log_likelihood(ids[:1], ids[1:])
    assert mean_of(Sheet(host, windows(ids)).scores()) == pytest.approx(alone, rel=1e-4)


def test_windows_predict_every_token_but_the_first_once_with_context() -> None:
    ids = torch.arange(50)
    cut = windows(ids, window=8, context=12)
    predicted = torch.cat([one.continuations[0] for one in cut])
    assert predicted.tolist() == list(range(1, 50))
    assert [len(one.prompt) for one in cut][1:] == [12] * (len(cut) - 1)
    assert all(int(one.prompt[-1]) == int(one.continuations[0][0]) - 1 for one in cut)


def test_the_common_beginning_is_counted_in_tokens() -> None:
    prompts = [torch.tensor(ids) for ids in ([1, 2, 3, 4], [1, 2, 9, 4], [1, 2, 3])]
    assert common_start(prompts) == 2
    assert common_start(prompts[:1]) == 4
