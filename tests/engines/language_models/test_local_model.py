"""The workbench's own model: it answers, stops, refuses, and keeps to any bounded schema."""

from __future__ import annotations

import json
from functools import lru_cache

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from engines.host import ModelHost
from engines.language_models.local import LocalModel, SchemaMask
from engines.language_models.protocol import (
    LanguageModel,
    PromptTooLongError,
    Request,
    ServerError,
)
from engines.language_models.repeating import repeats
from engines.language_models.schemas import bounded
from engines.protocol import Sampling, Turn
from tests.engines.language_models.asking import QUESTION, whole
from tests.engines.tiny import tiny_model, tiny_tokenizer


@lru_cache(maxsize=8)
def local(seed=0, vocabulary=400):
    """A model with random weights; its vocabulary may be larger than the tokenizer's."""
    model = tiny_model(layers=1, seed=seed, vocabulary=vocabulary)
    return LocalModel(ModelHost(model=model, tokenizer=tiny_tokenizer(), name="tiny"))


def test_it_answers_as_the_host_does():
    model = local()
    got = whole(model.stream(QUESTION))
    host = model._host
    pieces = [*host.generate(host.prompt(QUESTION.turns), Sampling(max_new_tokens=64))]
    assert got.text == "".join(piece.text for piece in pieces)
    assert got.prompt_tokens == model.count(QUESTION.turns)
    assert got.completion_tokens == sum(piece.tokens for piece in pieces)
    assert isinstance(model, LanguageModel)
    assert (model.name, model.where) == ("tiny", "in this process")


def test_a_persons_sampling_is_that_of_the_host():
    model, sampling = local(), Sampling(24, 0.9, 0.5, 1.4, seed=3)
    host = model._host
    pieces = [*host.generate(host.prompt(QUESTION.turns), sampling)]
    got = whole(model.stream(Request.of(QUESTION.turns, sampling)))
    assert got.text == "".join(piece.text for piece in pieces)
    plain = Sampling(24, 0.9, 1.0, 1.0, seed=3)
    assert got.text != whole(model.stream(Request.of(QUESTION.turns, plain))).text


def test_a_template_that_begins_the_thinking_itself_is_understood():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = f"{tokenizer.chat_template}<think>\n"
    host = ModelHost(model=tiny_model(layers=1, seed=0), tokenizer=tokenizer, name="tiny")
    got = whole(LocalModel(host).stream(QUESTION))
    assert (got.text, bool(got.thinking)) == ("", True)
    held = whole(LocalModel(host).stream(Request(QUESTION.turns, 64, schema={"enum": ["a", "b"]})))
    assert held.text in {'"a"', '"b"'}


def test_an_answer_that_was_cut_at_its_longest_says_so():
    assert whole(local().stream(Request(QUESTION.turns, 3))).finish == "length"


def test_a_prompt_that_can_not_fit_is_refused_with_both_numbers():
    model = local()
    with pytest.raises(PromptTooLongError) as caught:
        whole(model.stream(Request((Turn("user", "wind " * 3000),), 8)))
    assert caught.value.context_tokens == model.context_tokens
    assert caught.value.prompt_tokens > model.context_tokens


def test_a_sampled_answer_repeats_with_its_seed():
    request = Request(QUESTION.turns, 16, temperature=1.0, seed=5)
    assert whole(local().stream(request)).text == whole(local().stream(request)).text


def test_closing_the_answer_leaves_the_host_free():
    stream = local().stream(QUESTION)
    next(stream)
    stream.close()
    assert whole(local().stream(QUESTION)).text


def test_a_schema_that_can_not_be_a_grammar_is_told():
    impossible = {"type": "string", "maxLength": 3, "pattern": "(?=a)b"}
    with pytest.raises(ServerError, match="can't be held to its schema"):
        whole(local().stream(Request(QUESTION.turns, 8, schema=impossible)))


def test_a_text_that_only_repeats_itself_is_ended():
    model = local()
    schema = bounded(an_object({"text": {"type": "string", "maxLength": 600}}))
    mask = SchemaMask(model._grammars, schema, model._quotes)
    tokenizer = tiny_tokenizer()
    (letter,) = tokenizer("a", add_special_tokens=False)["input_ids"]
    for token in tokenizer('{"text": "', add_special_tokens=False)["input_ids"]:
        mask.chosen(token)
    for _ in range(23):
        mask.chosen(letter)
    assert letter in let_through(mask)
    mask.chosen(letter)
    ending = let_through(mask)
    assert ending
    assert all(tokenizer.convert_ids_to_tokens(token).startswith('"') for token in ending)


def let_through(mask):
    logits = mask.adjust(torch.empty(0), torch.zeros(1, 400))
    return set(torch.isfinite(logits[0]).nonzero().flatten().tolist())


@pytest.mark.parametrize("stretch", [[7], [1, 2, 3], [*range(32)]])
def test_repetition_is_told_after_three_times_and_24_tokens(stretch):
    times = max(3, 24 // len(stretch))
    assert repeats([500, *stretch * times])
    assert not repeats(stretch * (times - 1))
    assert not repeats([*stretch * times, 500])


def test_what_differs_a_little_each_time_is_no_repetition():
    assert not repeats([token for n in range(40) for token in (1, 2, 3, 100 + n)])


LEAVES = st.one_of(
    st.builds(lambda n: {"type": "string", "maxLength": n}, st.integers(0, 6)),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
        st.integers(-50, 50),
        st.integers(0, 100),
    ),
    st.builds(
        lambda v: {"enum": v}, st.lists(st.sampled_from(["ADD", 'a"b', 1, None]), min_size=1)
    ),
)


def an_object(properties):
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda items, n: {"type": "array", "items": items, "maxItems": n},
            inner,
            st.integers(0, 3),
        ),
        st.builds(
            an_object, st.dictionaries(st.sampled_from(["id", "text", "tag"]), inner, max_size=3)
        ),
    ),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    schema=SCHEMAS,
    weights=st.sampled_from([0, 1, 2]),
    vocabulary=st.sampled_from([400, 416]),
    temperature=st.sampled_from([0.0, 1.5]),
)
def test_random_weights_write_json_that_fits_any_bounded_schema(
    schema, weights, vocabulary, temperature
):
    request = Request(
        (Turn("user", "x"),), 900, temperature=temperature, seed=1, schema=bounded(schema)
    )
    got = whole(local(weights, vocabulary).stream(request))
    assert got.finish == "stop"
    Draft202012Validator(schema).validate(json.loads(got.text))
