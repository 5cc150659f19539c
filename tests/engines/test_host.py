"""The host: streaming that adds up, stops, fits, and repeats."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from engines.fingerprint import fingerprint
from engines.generation import TextAssembler
from engines.host import ModelHost
from engines.protocol import EngineError, ModelError, Sampling, Turn
from tests.engines.learning import tiny_host
from tests.engines.tiny import FAMILIES, tiny_model, tiny_tokenizer

STRICT_TEMPLATE = (
    "{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{{ m.role }}:{{ m.content }};{% endfor %}"
)
QUESTION = [Turn("user", "When was the lighthouse built?")]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_greedy_stream_is_what_transformers_generates(family):
    host = tiny_host(family)
    prompt = host.prompt(QUESTION)
    sampling = Sampling(max_new_tokens=20, repetition_penalty=1.0)
    text = "".join(piece.text for piece in host.generate(prompt, sampling))
    expected = host.model.generate(
        prompt.unsqueeze(0),
        attention_mask=torch.ones_like(prompt).unsqueeze(0),
        max_new_tokens=20,
        do_sample=False,
        eos_token_id=list(host.end_tokens),
        pad_token_id=0,
    )[0, len(prompt) :]
    assert text == host.tokenizer.decode(expected, skip_special_tokens=True)


def test_the_repetition_penalty_leaves_the_words_of_the_prompt_alone():
    host = tiny_host()
    prompt = host.prompt(QUESTION)
    free = Sampling(max_new_tokens=1, repetition_penalty=1.0)
    first = next(host.generate(prompt, free)).text
    again = [Turn("user", f"{QUESTION[0].content} {first} {first}")]
    for turns in (QUESTION, again):
        penalised = dataclasses.replace(free, repetition_penalty=10.0)
        assert next(host.reply(turns, penalised)) == next(host.reply(turns, free))
    long = Sampling(max_new_tokens=12, repetition_penalty=1.0)
    tokens = [
        host.reply(QUESTION, s) for s in (long, dataclasses.replace(long, repetition_penalty=10.0))
    ]
    assert [*tokens[0]] != [*tokens[1]]


def test_a_seed_repeats_a_sampled_answer_and_another_one_does_not():
    host = tiny_host()

    def answer(seed):
        sampling = Sampling(max_new_tokens=24, temperature=1.5, top_p=0.95, seed=seed)
        return "".join(piece.text for piece in host.reply(QUESTION, sampling))

    assert answer(1) == answer(1)
    assert len({answer(seed) for seed in range(4)}) > 1


def test_a_stream_can_be_closed_after_any_token():
    pieces = tiny_host().reply(QUESTION, Sampling(max_new_tokens=1000))
    next(pieces)
    next(pieces)
    pieces.close()
    assert list(pieces) == []


def test_the_end_of_turn_ends_the_answer():
    host = tiny_host()
    with torch.no_grad():  # every position now prefers the end-of-turn token
        host.model.lm_head.weight.zero_()
        host.model.model.norm.weight.fill_(1.0)
    host.model.lm_head.bias = torch.nn.Parameter(torch.zeros(400))
    host.model.lm_head.bias.data[2] = 5.0
    assert list(host.reply(QUESTION, Sampling(max_new_tokens=50))) == []


def test_a_base_model_without_chat_template_continues_plain_text():
    host = ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer(chat=False))
    ids = host.prompt([Turn("user", "The lamp was")])
    assert host.tokenizer.decode(ids) == "The lamp was"


def test_old_turns_go_first_when_a_conversation_is_too_long():
    host = tiny_host()
    turns = [Turn("system", "Be brief.")]
    turns += [Turn("user", f"{i} wind, much wind " * 20) for i in range(40)]
    turns.append(Turn("user", "Who kept the lamp?"))
    text = host.tokenizer.decode(host.fit(turns, new_tokens=100))
    assert len(host.fit(turns, new_tokens=100)) <= host.context_limit - 100
    assert "Be brief." in text
    assert "Who kept the lamp?" in text
    assert "0 wind, much wind 0" not in text
    with pytest.raises(EngineError, match="shorten"):
        host.fit([Turn("user", "wind " * 5000)], new_tokens=100)


def test_a_question_goes_with_its_answer_when_turns_are_left_out():
    host = tiny_host()
    host.tokenizer.chat_template = STRICT_TEMPLATE  # demands that roles alternate
    turns = []
    for i in range(30):
        turns += [Turn("user", f"{i} wind, much wind " * 20), Turn("assistant", "Oranges. " * 9)]
    turns.append(Turn("user", "Who kept the lamp?"))
    text = host.tokenizer.decode(host.fit(turns, new_tokens=100))
    assert text.startswith("user:")
    assert "Who kept the lamp?" in text


def test_a_template_without_system_turns_still_gets_the_system_prompt():
    host = tiny_host()
    host.tokenizer.chat_template = STRICT_TEMPLATE
    ids = host.prompt([Turn("system", "Be brief."), Turn("user", "Who kept the lamp?")])
    assert host.tokenizer.decode(ids) == "user:Be brief.\n\nWho kept the lamp?;"


def test_a_conversation_that_the_template_refuses_is_one_sentence():
    host = tiny_host()
    host.tokenizer.chat_template = STRICT_TEMPLATE
    with pytest.raises(EngineError, match="begin a new one"):
        host.prompt([Turn("assistant", "Oranges."), Turn("user", "Why?")])


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("turns", [[], [Turn("user", "")]])
def test_nothing_to_answer_is_said_so(chat, turns):
    host = ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer(chat=chat))
    if chat and turns:
        assert len(host.prompt(turns)) > 0  # the template's own words are a prompt
        return
    with pytest.raises(EngineError, match="type a question"):
        host.prompt(turns)


def test_the_hosts_reading_leaves_the_models_configuration_alone():
    model = tiny_model()
    model.generation_config.eos_token_id = [2, 1]
    host = ModelHost(model=model, tokenizer=tiny_tokenizer())
    assert host.end_tokens == {1, 2}
    assert model.generation_config.eos_token_id == [2, 1]


@pytest.mark.parametrize(
    "text", ["héllo wörld", "漢字かな交じり文", "a\u0301 🙂 family 👩‍👩‍👧", "tab\t\n"]
)
def test_streamed_pieces_add_up_to_the_text_and_hold_no_half_characters(text):
    tokenizer = tiny_tokenizer()
    assembler = TextAssembler(tokenizer)
    pieces = [assembler.push(token) for token in tokenizer(text)["input_ids"]]
    assert "".join(pieces) + assembler.flush() == text
    assert all("\ufffd" not in piece for piece in pieces)


def test_the_fingerprint_names_weights_not_their_type():
    assert fingerprint(tiny_model()) == fingerprint(tiny_model())
    assert fingerprint(tiny_model()) == fingerprint(tiny_model().to(torch.bfloat16))
    assert fingerprint(tiny_model()) != fingerprint(tiny_model(seed=1))


def test_the_likelihood_is_the_models_own():
    host = tiny_host()
    prompt, rest = host.encode("The lamp was"), host.encode(" never out")
    whole = torch.cat([prompt, rest]).unsqueeze(0)
    labels = whole.clone()
    labels[0, : len(prompt)] = -100
    with torch.no_grad():
        expected = float(host.model(input_ids=whole, labels=labels).loss)
    assert host.negative_log_likelihood(prompt, rest) == pytest.approx(expected, rel=1e-5)


def test_a_model_without_gated_mlp_is_refused():
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=400))
    with pytest.raises(ModelError, match="Llama"):
        ModelHost(model=model, tokenizer=tiny_tokenizer())
