"""A document is cut, read by the frozen model and turned into LoRAs in bounded memory."""

from __future__ import annotations

import pytest
import torch

from engines.doc2lora.affixes import PUBLISHED, Affixes, affixes_of, document_tokens
from engines.doc2lora.applied import applied
from engines.doc2lora.hypernetwork import GeneratedLora, Hypernetwork
from engines.doc2lora.lora import Weighted, compose
from engines.doc2lora.reading import (
    ChunkRead,
    chunks_of,
    layer_states,
    layers_at_once,
    padded,
    read_document,
    split,
)
from engines.protocol import DocumentError, EngineError, ModelError
from tests.engines.doc2lora.small_network import small_config, small_network
from tests.engines.tiny import FAMILIES, TEXT, TURN_END, tiny_model, tiny_tokenizer

USER = "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n"
ANSWER = "<|im_end|>\n<|im_start|>assistant\n"


def test_the_affixes_are_those_of_the_chat_template():
    tokenizer = tiny_tokenizer()
    affixes = affixes_of(tokenizer)
    assert (affixes.prefix_text, affixes.suffix_text) == (USER, ANSWER)
    assert tokenizer.decode(affixes.prefix) == USER
    assert tokenizer.decode(affixes.suffix) == ANSWER
    assert len(affixes) == len(affixes.prefix) + len(affixes.suffix)


def test_a_template_without_a_system_turn_is_asked_without_one():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    )
    affixes = affixes_of(tokenizer)
    assert (affixes.prefix_text, affixes.suffix_text) == ("[", "]")


def test_a_model_without_a_template_reads_the_bare_text():
    assert affixes_of(tiny_tokenizer(chat=False)) == Affixes()


def test_a_template_that_rewrites_the_turn_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}"
    with pytest.raises(ModelError, match="changes what a user's turn says"):
        affixes_of(tokenizer)


def test_the_published_readers_have_their_affixes():
    assert affixes_of(tiny_tokenizer(), "google/gemma-2-2b-it") is PUBLISHED["google/gemma-2-2b-it"]
    assert PUBLISHED["Qwen/Qwen3-4B-Instruct-2507"].suffix[-1] == 198


def test_the_tokens_are_those_within_the_turn():
    tokenizer = tiny_tokenizer()
    affixes = affixes_of(tokenizer)
    whole = tokenizer(USER + TEXT.strip() + ANSWER, add_special_tokens=False)["input_ids"]
    ids = document_tokens(tokenizer, f"\n  {TEXT}  \n", affixes)
    assert [*affixes.prefix, *ids, *affixes.suffix] == whole
    assert tokenizer.decode(ids) == TEXT.strip()


def test_a_document_of_one_chunk_is_the_whole_turn():
    tokenizer, model = tiny_tokenizer(), tiny_model()
    (chunk,) = chunks_of(tokenizer, "A short one.", small_config(model))
    assert tokenizer.decode(chunk) == f"{USER}A short one.{ANSWER}"


@pytest.mark.parametrize(("tokens", "lengths"), [(1, [1]), (10, [10]), (11, [6, 5]), (64, 7)])
def test_chunks_are_as_few_and_as_equal_as_can_be(tokens, lengths):
    chunks = split(range(100, 100 + tokens), 10, Affixes("", "", (1, 2), (3,)))
    inside = [chunk[2:-1] for chunk in chunks]
    assert [token for part in inside for token in part] == list(range(100, 100 + tokens))
    assert all(chunk[:2] == [1, 2] and chunk[-1] == 3 for chunk in chunks)
    sizes = [len(part) for part in inside]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 10
    if isinstance(lengths, int):
        assert len(sizes) == lengths
    else:
        assert sorted(sizes, reverse=True) == lengths


def test_more_than_64_chunks_are_refused_with_the_setting_to_change():
    assert len(split(range(640), 10, Affixes())) == 64
    with pytest.raises(DocumentError, match=r"raise doc2lora\.chunk_tokens to 11 or more"):
        split(range(641), 10, Affixes())


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_an_empty_document_is_refused(text):
    with pytest.raises(DocumentError, match="The document is empty"):
        chunks_of(tiny_tokenizer(), text, small_config(tiny_model()))
    with pytest.raises(DocumentError, match="The document is empty"):
        next(read_document(tiny_model(), small_network(tiny_model()), []))


def test_what_looks_like_a_turn_s_end_in_the_text_is_kept():
    tokenizer = tiny_tokenizer()
    text = f"before {TURN_END} after"
    assert tokenizer.decode(document_tokens(tokenizer, text, affixes_of(tokenizer))) == text


@pytest.mark.parametrize("family", FAMILIES)
def test_the_states_are_what_goes_into_each_layer(family):
    model = tiny_model(family)
    ids, mask = padded([[5, 6, 7, 8, 9]], "cpu")
    states = layer_states(model, ids, mask)
    assert states.shape == (1, 4, 5, 32)
    with torch.no_grad():
        whole = model.model(input_ids=ids, output_hidden_states=True).hidden_states
    for layer in range(3):
        torch.testing.assert_close(states[:, layer], whole[layer])
    torch.testing.assert_close(states[:, 3], model.model.norm(whole[3]))
    assert not any(layer._forward_pre_hooks for layer in model.model.layers)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_beside_a_longer_chunk_changes_nothing(family):
    model = tiny_model(family)
    short, long = [5, 6, 7], [9, 8, 7, 6, 5, 4]
    together = layer_states(model, *padded([short, long], "cpu"))
    alone = layer_states(model, *padded([short], "cpu"))
    torch.testing.assert_close(together[:1, :, :3], alone, atol=1e-5, rtol=1e-5)


def _read(model, network, text=TEXT, **settings):
    chunks = chunks_of(tiny_tokenizer(), text, network.config)
    *events, made = read_document(model, network, chunks, **settings)
    assert isinstance(made, GeneratedLora)
    return events, made


@pytest.mark.parametrize("family", FAMILIES)
def test_a_document_becomes_a_lora_that_changes_every_family(family):
    model = tiny_model(family)
    network = small_network(model)
    events, made = _read(model, network)
    assert len(made) == len(events) > 3
    lora = compose([Weighted(made)], network.config.scaling)
    ids = torch.tensor([[5, 6, 7]])
    base = model(input_ids=ids).logits
    with applied(model, lora):
        assert not torch.allclose(model(input_ids=ids).logits, base, atol=1e-3)
    assert torch.equal(model(input_ids=ids).logits, base)


def test_each_chunk_is_told_as_it_is_read():
    model = tiny_model()
    network = small_network(model)
    events, made = _read(model, network)
    assert all(isinstance(event, ChunkRead) for event in events)
    assert [event.number for event in events] == list(range(1, len(made) + 1))
    assert {event.chunks for event in events} == {len(made)}
    tokens = document_tokens(tiny_tokenizer(), TEXT, network.config.affixes)
    assert sum(event.tokens for event in events) == len(tokens)
    assert all(event.read_seconds >= 0 and event.generate_seconds >= 0 for event in events)
    assert not made.a.requires_grad


def test_batches_give_what_single_chunks_give():
    model = tiny_model()
    network = small_network(model)
    _, together = _read(model, network, chunks_at_once=64)
    _, single = _read(model, network)
    torch.testing.assert_close(together.a, single.a, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.b, single.b, atol=1e-5, rtol=1e-4)


class _Watched(Hypernetwork):
    """Notes the size of what the perceiver is given at a time."""

    def forward(self, states, mask, **settings):
        self.seen.append((states.shape[0], states.numel() * states.element_size()))
        return super().forward(states, mask, **settings)

    def read_layers(self, states, mask):
        self.layers_seen.append(states.shape[1])
        return super().read_layers(states, mask)


def test_memory_is_bounded_by_batches_of_chunks_and_layers():
    model = tiny_model()
    network = small_network(model)
    network.__class__ = _Watched
    chunk = 4 * (40 + len(network.config.affixes)) * 32 * 4
    for factor in (1, 3):
        network.seen, network.layers_seen = [], []
        _, made = _read(
            model, network, text=TEXT * 3, chunks_at_once=64, state_bytes=factor * chunk
        )
        assert all(size <= factor * chunk for _, size in network.seen)
        assert max(count for count, _ in network.seen) == factor
        assert sum(count for count, _ in network.seen) == len(made)
        assert max(network.layers_seen) < 4


def test_the_layers_at_once_fit_the_memory():
    config = small_config(tiny_model())
    assert layers_at_once(config, 10, 10**9) == 4
    assert layers_at_once(config, 10, 1) == 1
    assert layers_at_once(config, 10, 2 * 4 * 10 * (32 + 3 * 48 + 3 * 16)) == 2


def test_closing_the_iterator_stops_reading():
    model = tiny_model()
    network = small_network(model)
    network.__class__ = _Watched
    network.seen, network.layers_seen = [], []
    chunks = chunks_of(tiny_tokenizer(), TEXT, network.config)
    base = model(input_ids=torch.tensor([[1, 2]])).logits
    events = read_document(model, network, chunks)
    next(events)
    next(events)
    events.close()
    assert len(network.seen) == 2 < len(chunks)
    assert not any(layer._forward_pre_hooks for layer in model.model.layers)
    assert torch.equal(model(input_ids=torch.tensor([[1, 2]])).logits, base)


def test_a_chunk_beyond_the_model_s_context_is_refused():
    model = tiny_model()
    model.config.max_position_embeddings = 30
    network = small_network(model)
    with pytest.raises(DocumentError, match=r"lower doc2lora\.chunk_tokens"):
        _read(model, network)


def test_weights_that_went_bad_give_no_lora():
    model = tiny_model()
    network = small_network(model)
    with torch.no_grad():
        network.heads.scaler_b[1] = torch.nan
    with pytest.raises(EngineError, match="not finite for chunk 1"):
        _read(model, network, text="One sentence.")


def test_a_network_for_another_base_is_refused_as_it_reads():
    with pytest.raises(EngineError, match="don't fit a hypernetwork for tiny"):
        _read(tiny_model(hidden=64), small_network(tiny_model()))
